//! The rota against what it promises, under random calls.

use super::*;
use proptest::prelude::*;

/// What a level grows by in a nanosecond for weight 1.
const SCALE: u64 = 8;

fn tenant(index: usize) -> TenantId {
    TenantId::new(format!("t{index}")).unwrap()
}

/// A rota, and what its seats should be in.
struct Checked {
    rota: Rota<usize>,
    turns: usize,
    spare: usize,
    /// By the name of the bell.
    seats: Vec<(SeatId, State)>,
    names: usize,
    bells: HashMap<SeatIndex, usize>,
}

type SeatIndex = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Waits,
    Given,
    Takes,
}

#[derive(Debug, Clone)]
enum Step {
    Enter(usize, u32),
    Ask(usize),
    End(usize, u64, bool),
    Leave(usize),
    Tick,
}

impl Checked {
    fn new(turns: usize, spare: usize) -> Self {
        let rota = Rota::new(turns, spare);
        Self { rota, turns, spare, seats: Vec::new(), names: 0, bells: HashMap::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter(who, weight) => {
                let bell = self.names;
                self.names += 1;
                let id = self.rota.enter(&tenant(who), weight, bell);
                self.bells.insert(bell, id.0);
                self.seats.push((id, State::Idle));
            }
            Step::Ask(index) => {
                if let Some((id, state)) = self.pick(index) {
                    let may = self.rota.ask(id);
                    let seat = self.seat(id);
                    match state {
                        State::Given | State::Takes => assert!(may),
                        State::Waits => assert!(!may),
                        State::Idle => {}
                    }
                    *seat = if may { State::Takes } else { State::Waits };
                }
            }
            Step::End(index, spent, more) => {
                let taking: Vec<SeatId> =
                    self.seats.iter().filter(|(_, s)| *s == State::Takes).map(|(id, _)| *id).collect();
                if !taking.is_empty() {
                    let id = taking[index % taking.len()];
                    let again = self.rota.end(id, spent, more);
                    assert!(more || !again);
                    *self.seat(id) = if more && !again { State::Waits } else { State::Idle };
                }
            }
            Step::Leave(index) => {
                if let Some((id, _)) = self.pick(index) {
                    self.rota.leave(id);
                    self.seats.retain(|(seat, _)| *seat != id);
                }
            }
            Step::Tick => {
                self.rota.tick();
                // What was given is given to nobody else before it was taken back, so the rota's own word counts.
                for (id, state) in &mut self.seats {
                    let phase = self.rota.seats[id.0].as_ref().unwrap().phase;
                    if *state == State::Given && phase == Phase::Idle {
                        *state = State::Idle;
                    }
                }
            }
        }
        while let Some(bell) = self.rota.next() {
            let id = SeatId(self.bells[&bell]);
            let seat = self.seat(id);
            assert_eq!(*seat, State::Waits, "only who waits is given a turn");
            *seat = State::Given;
        }
        let count = |state| self.seats.iter().filter(|(_, s)| *s == state).count();
        let held = count(State::Given) + count(State::Takes);
        assert_eq!(held, self.rota.given);
        assert!(held <= self.turns + self.spare);
        assert!(count(State::Waits) == 0 || held >= self.turns, "a turn is free and somebody waits");
    }

    fn pick(&self, index: usize) -> Option<(SeatId, State)> {
        (!self.seats.is_empty()).then(|| self.seats[index % self.seats.len()])
    }

    fn seat(&mut self, id: SeatId) -> &mut State {
        self.seats.iter_mut().find(|(seat, _)| *seat == id).map(|(_, state)| state).unwrap()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<usize>;
    let step = prop_oneof![
        2 => (0..4_usize, prop::sample::select(vec![1, 4, 8])).prop_map(|(who, w)| Step::Enter(who, w)),
        5 => index().prop_map(Step::Ask),
        5 => (index(), 0..1000_u64, any::<bool>()).prop_map(|(i, spent, more)| Step::End(i, spent, more)),
        1 => index().prop_map(Step::Leave),
        1 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn no_turn_is_lost_doubled_or_left_free(turns in 1..4_usize, spare in 0..2_usize, steps in steps()) {
        let mut checked = Checked::new(turns, spare);
        for step in steps {
            checked.step(step);
        }
        while !checked.seats.is_empty() {
            checked.step(Step::Leave(0));
        }
        let rota = checked.rota;
        prop_assert_eq!(rota.given, 0);
        prop_assert!(rota.index.is_empty() && rota.ready.is_empty());
        prop_assert!(rota.lanes.iter().all(Option::is_none) && rota.seats.iter().all(Option::is_none));
    }

    #[test]
    fn who_always_computes_gets_its_weights_part(
        turns in 1..4_usize,
        slices in prop::collection::vec(1..200_u64, 50),
        others in prop::collection::vec(prop::sample::select(vec![1_u32, 4, 8]), 1..4),
    ) {
        let mut rota = Rota::new(turns, 1);
        let mut bells = Vec::new();
        for (who, weight) in others.iter().enumerate() {
            // More calls than turns, so that each tenant could use all of them.
            for _ in 0..5 {
                bells.push((rota.enter(&tenant(who), *weight, bells.len()), who));
            }
        }
        let mut running: VecDeque<usize> = VecDeque::new();
        for (bell, (seat, _)) in bells.iter().enumerate() {
            if rota.ask(*seat) {
                running.push_back(bell);
            }
        }
        let mut served = vec![0_u64; others.len()];
        for round in 0..3000 {
            let bell = running.pop_front().unwrap();
            let (seat, who) = bells[bell];
            let spent = slices[round % slices.len()];
            served[who] += spent;
            prop_assert!(!rota.end(seat, spent, true));
            while let Some(next) = rota.next() {
                prop_assert!(rota.ask(bells[next].0));
                running.push_back(next);
            }
        }
        let normal = |who: usize| served[who] * SCALE / u64::from(others[who]);
        for a in 0..others.len() {
            for b in 0..others.len() {
                // Nobody is further ahead than what may run at once, at the price of the lightest.
                prop_assert!(normal(a).abs_diff(normal(b)) <= 200 * SCALE * 2 * (turns as u64 + 2));
            }
        }
    }
}

#[test]
fn who_computes_little_waits_for_nobody() {
    let mut rota = Rota::new(1, 1);
    let busy: Vec<_> = (0..50).map(|bell| rota.enter(&tenant(0), 4, bell)).collect();
    assert!(rota.ask(busy[0]));
    assert!(busy[1..].iter().all(|seat| !rota.ask(*seat)), "one tenant has one turn of the two");
    for round in 0..100 {
        // One call after the other, each gone when it is over.
        let quiet = rota.enter(&tenant(1), 4, 100);
        assert!(rota.ask(quiet), "round {round}");
        let more = rota.enter(&tenant(2), 1, 101);
        assert!(!rota.ask(more), "the spare turn is one");
        assert!(!rota.end(quiet, 50, false));
        rota.leave(quiet);
        assert_eq!(rota.next(), None, "the spare turn is not for those that wait");
        // The turn that ends next goes to who waits and had nothing, before 49 calls that waited longer.
        assert!(!rota.end(busy[round % 50], 100, true));
        assert_eq!(rota.next(), Some(101));
        assert!(rota.ask(more) && !rota.end(more, 10, false));
        rota.leave(more);
        assert!(rota.next().is_some_and(|bell| rota.ask(busy[bell])));
    }
}

#[test]
fn time_that_was_not_used_is_not_owed() {
    let mut rota = Rota::new(1, 0);
    let (first, late) = (rota.enter(&tenant(0), 4, 0), rota.enter(&tenant(1), 4, 1));
    for _ in 0..1000 {
        assert!(rota.ask(first) && rota.end(first, 100, true), "alone it goes on at once");
    }
    assert!(rota.ask(first) && !rota.ask(late));
    let (mut turns, mut holds) = ([0_u32, 0], first);
    for _ in 0..100 {
        turns[usize::from(holds == late)] += 1;
        assert!(!rota.end(holds, 100, true));
        holds = if rota.next() == Some(0) { first } else { late };
        assert!(rota.ask(holds));
    }
    assert!(turns[0].abs_diff(turns[1]) <= 2, "{turns:?}");
}

#[test]
fn a_turn_that_nobody_takes_up_goes_to_others() {
    let mut rota = Rota::new(1, 0);
    let seats: Vec<_> = (0..3).map(|who| rota.enter(&tenant(who), 4, who)).collect();
    assert!(rota.ask(seats[0]) && !rota.ask(seats[1]) && !rota.ask(seats[2]));
    rota.end(seats[0], 10, false);
    assert_eq!((rota.next(), rota.next()), (Some(1), None));
    rota.tick();
    assert_eq!(rota.next(), None, "it may be on its way");
    rota.tick();
    assert_eq!(rota.next(), Some(2));
    assert!(rota.ask(seats[2]) && !rota.ask(seats[1]), "it has to ask anew");
}
