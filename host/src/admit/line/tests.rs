//! The line against what it promises, under random calls.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn tenant(index: usize) -> TenantId {
    TenantId::new(format!("t{index}")).unwrap()
}

fn tool(index: usize) -> ToolName {
    ToolName::new(format!("tool{index}")).unwrap()
}

fn ask(who: usize, weight: u32, calls: u32, limited: Option<(usize, u32)>) -> Ask {
    let tool = limited.map(|(index, calls)| (tool(index), calls));
    Ask { tenant: tenant(who), weight, calls, tool }
}

fn holder(ask: &Ask) -> Holder {
    Holder { tenant: ask.tenant.clone(), tool: ask.tool.as_ref().map(|(tool, _)| tool.clone()) }
}

#[derive(Debug, Clone)]
enum Step {
    Arrive(usize, Option<usize>),
    Done(usize),
    Leave(usize),
}

/// The limits of a tenant: weight, calls, and calls of each of its two tools that have one.
type Rules = (u32, u32, [u32; 2]);

/// The line, and who runs and waits by what it has said.
struct Checked {
    line: Line<usize>,
    places: u32,
    length: usize,
    rules: Vec<Rules>,
    now: u64,
    named: usize,
    running: Vec<(usize, Ask)>,
    /// By the order of their coming: waiter, number, what it asks.
    waiting: Vec<(usize, u64, Ask)>,
}

impl Checked {
    fn step(&mut self, step: Step) {
        self.now += 7;
        match step {
            Step::Arrive(who, limited) => {
                let (weight, calls, tools) = self.rules[who];
                let ask = ask(who, weight, calls, limited.map(|index| (index, tools[index])));
                let waiter = self.named;
                self.named += 1;
                let before = self.waiting.clone();
                match self.line.arrive(&ask, || waiter, self.length, self.now) {
                    Arrived::Begins => {
                        let ahead = self.waiting.iter().any(|(_, _, other)| holder(other) == holder(&ask));
                        assert!(!ahead, "it overtook one of its own line");
                        self.running.push((waiter, ask));
                    }
                    Arrived::Waits(number, shed) => {
                        if let Some((shed, _)) = shed {
                            assert_eq!(before.len(), self.length);
                            let index = self.waiting.iter().position(|(w, _, _)| *w == shed).unwrap();
                            let gone = self.waiting.remove(index).2;
                            let weighs = |of: &Ask, more: usize| {
                                let all = before.iter().filter(|(_, _, a)| a.tenant == of.tenant).count();
                                (all + more) * (8 / of.weight as usize)
                            };
                            assert!(weighs(&gone, 0) > weighs(&ask, 1), "the heavier one pays");
                            assert!(before.iter().all(|(_, _, a)| weighs(a, 0) <= weighs(&gone, 0)));
                            let newest = before.iter().rfind(|(_, _, a)| a.tenant == gone.tenant);
                            assert_eq!(newest.unwrap().0, shed, "its newest call goes");
                        }
                        self.waiting.push((waiter, number, ask));
                    }
                    Arrived::Full(_) => assert_eq!(before.len(), self.length),
                }
            }
            Step::Done(index) => {
                if !self.running.is_empty() {
                    let (_, ask) = self.running.swap_remove(index % self.running.len());
                    self.line.done(&holder(&ask), self.now);
                }
            }
            Step::Leave(index) => {
                if !self.waiting.is_empty() {
                    let (_, number, ask) = self.waiting.remove(index % self.waiting.len());
                    assert!(self.line.leave(&holder(&ask), number, self.now).is_some());
                    assert!(self.line.leave(&holder(&ask), number, self.now).is_none(), "once");
                }
            }
        }
        while let Some((told, waiter)) = self.line.next(self.now) {
            let index = self.waiting.iter().position(|(w, _, _)| *w == waiter).unwrap();
            let (_, _, ask) = self.waiting.remove(index);
            assert_eq!(told, holder(&ask));
            let earlier = self.waiting[..index].iter().any(|(_, _, other)| holder(other) == told);
            assert!(!earlier, "in the order of their coming within a line");
            self.running.push((waiter, ask));
        }
        self.judge();
    }

    fn judge(&self) {
        let mut tenants: BTreeMap<&TenantId, u32> = BTreeMap::new();
        let mut tools: BTreeMap<(&TenantId, &ToolName), u32> = BTreeMap::new();
        for (_, ask) in &self.running {
            *tenants.entry(&ask.tenant).or_default() += 1;
            if let Some((tool, _)) = &ask.tool {
                *tools.entry((&ask.tenant, tool)).or_default() += 1;
            }
        }
        let fits = |ask: &Ask, more: u32| {
            let of_tenant = tenants.get(&ask.tenant).copied().unwrap_or(0) + more <= ask.calls;
            let of_tool = ask.tool.as_ref().is_none_or(|(tool, calls)| {
                tools.get(&(&ask.tenant, tool)).copied().unwrap_or(0) + more <= *calls
            });
            of_tenant && of_tool
        };
        assert!(self.running.len() <= self.places as usize);
        assert!(self.running.iter().all(|(_, ask)| fits(ask, 0)), "more run than a limit allows");
        assert!(self.waiting.len() <= self.length);
        let free = self.running.len() < self.places as usize;
        assert!(!free || self.waiting.iter().all(|(_, _, ask)| !fits(ask, 1)), "one waits for nothing");
    }
}

fn rules() -> impl Strategy<Value = Vec<Rules>> {
    let rule = (prop::sample::select(vec![1_u32, 4, 8]), 1..6_u32, [1..3_u32, 1..3_u32]);
    prop::collection::vec(rule, 4)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<usize>;
    let step = prop_oneof![
        5 => (0..4_usize, prop::option::of(0..2_usize)).prop_map(|(who, tool)| Step::Arrive(who, tool)),
        4 => index().prop_map(Step::Done),
        1 => index().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn limits_hold_nothing_waits_for_nothing_and_nothing_is_left(
        places in 1..8_u32, length in 0..8_usize, rules in rules(), steps in steps(),
    ) {
        let line = Line::new(places);
        let mut checked =
            Checked { line, places, length, rules, now: 0, named: 0, running: vec![], waiting: vec![] };
        for step in steps {
            checked.step(step);
        }
        while !checked.running.is_empty() {
            checked.step(Step::Done(0));
        }
        prop_assert!(checked.waiting.is_empty(), "with every end somebody goes on");
        let line = checked.line;
        prop_assert!(line.lanes.is_empty() && line.queueing.is_empty());
        prop_assert_eq!((line.running, line.waiting), (0, 0));
    }
}

proptest! {
    // Each case is ten thousands of calls.
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Tenants that always wait hold places as their weights say, whatever the length of their calls.
    #[test]
    fn who_always_waits_holds_its_weights_part_of_the_places(
        tenants in prop::collection::vec(
            (prop::sample::select(vec![1_u32, 4, 8]), prop::collection::vec(1..100_u64, 5)), 2..5,
        ),
    ) {
        const PLACES: u32 = 20;
        const END: u64 = 20_000;
        let (mut line, mut now) = (Line::new(PLACES), 0);
        let mut held = vec![0_u64; tenants.len()];
        // When each running call ends, and whose it is.
        let mut running: BTreeSet<(u64, u64, usize)> = BTreeSet::new();
        let (mut calls, asks) = (0, |who: usize| ask(who, tenants[who].0, 1000, None));
        for _ in 0..PLACES + 2 {
            for who in 0..tenants.len() {
                if line.arrive(&asks(who), || who, 1000, now) == Arrived::Begins {
                    running.insert((1 + calls % 7, calls, who));
                    calls += 1;
                }
            }
        }
        while now < END {
            let (ends, _, who) = running.pop_first().unwrap();
            for (_, _, holds) in &running {
                held[*holds] += ends - now;
            }
            held[who] += ends - now;
            now = ends;
            line.done(&holder(&asks(who)), now);
            let (next, _) = line.next(now).unwrap();
            let next = (0..tenants.len()).find(|who| tenant(*who) == next.tenant).unwrap();
            let lengths = &tenants[next].1;
            running.insert((now + lengths[calls as usize % lengths.len()], calls, next));
            calls += 1;
            prop_assert!(matches!(line.arrive(&asks(next), || next, 1000, now), Arrived::Waits(..)));
        }
        let weights: u64 = tenants.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let all = END * u64::from(PLACES);
        for (who, (weight, _)) in tenants.iter().enumerate() {
            let part = all * u64::from(*weight) / weights;
            prop_assert!(held[who].abs_diff(part) <= all / 20, "{who}: {} of {part}", held[who]);
        }
    }
}

#[test]
fn a_low_tenant_gets_its_turn_among_high_ones_that_never_rest() {
    let mut line = Line::new(4);
    let high = |who| ask(who, 8, 100, None);
    let low = ask(99, 1, 100, None);
    for who in 0..20 {
        line.arrive(&high(who), || who, 1000, 0);
    }
    assert!(matches!(line.arrive(&low, || 99, 1000, 0), Arrived::Waits(..)));
    let mut running: Vec<usize> = (0..4).collect();
    for step in 1..1000 {
        let ended = running.remove(0);
        line.done(&holder(&high(ended)), step * 10);
        let (_, next) = line.next(step * 10).unwrap();
        line.arrive(&high(ended), || ended, 1000, step * 10);
        if next == 99 {
            return;
        }
        running.push(next);
    }
    panic!("it starved");
}

#[test]
fn a_tool_at_its_limit_holds_up_neither_its_tenant_nor_others() {
    let mut line = Line::new(10);
    let limited = ask(0, 4, 5, Some((0, 1)));
    assert_eq!(line.arrive(&limited, || 0, 10, 0), Arrived::Begins);
    assert!(matches!(line.arrive(&limited, || 1, 10, 0), Arrived::Waits(..)));
    assert_eq!(line.arrive(&ask(0, 4, 5, Some((1, 1))), || 2, 10, 0), Arrived::Begins);
    assert_eq!(line.arrive(&ask(0, 4, 5, None), || 3, 10, 0), Arrived::Begins);
    assert_eq!(line.arrive(&ask(1, 4, 5, Some((0, 1))), || 4, 10, 0), Arrived::Begins);
    assert_eq!(line.next(0), None);
    line.done(&holder(&limited), 1);
    assert_eq!(line.next(1), Some((holder(&limited), 1)));
}

#[test]
fn a_limit_that_was_raised_lets_those_that_wait_go_on() {
    let mut line = Line::new(10);
    line.arrive(&ask(0, 4, 1, None), || 0, 10, 0);
    for waiter in 1..4 {
        assert!(matches!(line.arrive(&ask(0, 4, 1, None), || waiter, 10, 0), Arrived::Waits(..)));
    }
    assert_eq!(line.next(0), None);
    assert!(matches!(line.arrive(&ask(0, 4, 3, None), || 4, 10, 1), Arrived::Waits(..)), "those go first");
    let on: Vec<_> = std::iter::from_fn(|| line.next(1)).map(|(_, waiter)| waiter).collect();
    assert_eq!(on, [1, 2]);
}

#[test]
fn when_to_try_again_is_told_by_how_fast_places_came_free() {
    let mut line = Line::new(1);
    let one = ask(0, 4, 10, None);
    line.arrive(&one, || 0, 0, 0);
    let full = |line: &mut Line<usize>, now| match line.arrive(&one, || 9, 0, now) {
        Arrived::Full(full) => full,
        other => panic!("{other:?}"),
    };
    assert_eq!(full(&mut line, 0), Full { lack: Lack::Host, after: None });
    for now in [1000, 2000, 3000] {
        line.done(&holder(&one), now);
        assert_eq!(line.arrive(&one, || 0, 0, now), Arrived::Begins);
    }
    assert_eq!(full(&mut line, 3000).after, Some(1000));
    assert_eq!(full(&mut line, 8000).after, Some(5000), "the next one is overdue");
    let narrow = ask(0, 4, 1, None);
    assert!(matches!(line.arrive(&narrow, || 9, 0, 3000), Arrived::Full(Full { lack: Lack::Tenant(1), .. })));
}
