//! One tenant's calls: how many run, which wait, and in how many lines.
//!
//! Takes: what [`Line`](super::Line) decides. Gives: [`Lane`]. May name: config, id.

use super::{Ask, Lack, Pace};
use crate::config::price;
use crate::id::ToolName;
use std::collections::VecDeque;

pub(super) struct Lane<W> {
    weight: u32,
    calls: u32,
    running: u32,
    waiting: usize,
    share: u64,
    /// For which time of waiting the share counts, and up to when.
    epoch: u64,
    until: u64,
    rests: bool,
    pace: Pace,
    tools: Vec<Tool<W>>,
}

/// The calls of a tool that has a limit; without a name, those of all others.
struct Tool<W> {
    name: Option<ToolName>,
    calls: u32,
    running: u32,
    waiting: VecDeque<(u64, W)>,
}

impl<W> Lane<W> {
    pub(super) fn new() -> Self {
        Self {
            weight: 1,
            calls: 1,
            running: 0,
            waiting: 0,
            share: 0,
            epoch: 0,
            until: 0,
            rests: false,
            pace: Pace::default(),
            tools: Vec::new(),
        }
    }

    /// The same as a new one, without an allocation.
    pub(super) fn renewed(self) -> Self {
        let mut tools = self.tools;
        tools.clear();
        Self { tools, ..Self::new() }
    }

    pub(super) fn running(&self) -> u32 {
        self.running
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn share(&self) -> u64 {
        self.share
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether it is kept for its share alone.
    pub(super) fn rests(&self) -> bool {
        self.rests
    }

    pub(super) fn sits_down(&mut self) {
        self.rests = true;
    }

    /// The places that it would hold with one more, for its weight.
    pub(super) fn after(&self) -> u64 {
        (u64::from(self.running) + 1) * self.price()
    }

    /// What one place, or one call that waits, counts for its weight.
    pub(super) fn price(&self) -> u64 {
        price(self.weight)
    }

    /// Takes over the limits of a call that arrives: they are the newest ones.
    pub(super) fn takes(&mut self, ask: &Ask) {
        (self.weight, self.calls, self.rests) = (ask.weight, ask.calls.max(1), false);
        let (name, calls) = match &ask.tool {
            Some((name, calls)) => (Some(name), (*calls).max(1)),
            None => (None, u32::MAX),
        };
        match self.tool(name) {
            Some(tool) => tool.calls = calls,
            None => {
                let name = name.cloned();
                self.tools.push(Tool { name, calls, running: 0, waiting: VecDeque::new() });
            }
        }
    }

    /// Counts the places that it held up to now, and begins anew in a new time of waiting. Without a time nobody waits,
    /// and nothing counts.
    pub(super) fn account(&mut self, epoch: u64, since: u64, now: Option<u64>) {
        let Some(now) = now else { return };
        if self.epoch != epoch {
            (self.epoch, self.until, self.share) = (epoch, since, 0);
        }
        let held = now.saturating_sub(self.until).saturating_mul(u64::from(self.running));
        self.share = self.share.saturating_add(held.saturating_mul(self.price()));
        self.until = self.until.max(now);
    }

    /// Who begins to wait does so no earlier than the others: what it did not use before is not owed to it.
    pub(super) fn rises_to(&mut self, share: u64) {
        self.share = self.share.max(share);
    }

    /// What a call of the tool lacks besides a place of the host.
    pub(super) fn lack(&self, name: Option<&ToolName>) -> Option<Lack> {
        if self.running >= self.calls {
            return Some(Lack::Tenant(self.calls));
        }
        let tool = self.tools.iter().find(|tool| tool.name.as_ref() == name)?;
        match tool.running >= tool.calls {
            true => Some(Lack::Tool(tool.calls)),
            // Those that wait already go first.
            false => (!tool.waiting.is_empty()).then_some(Lack::Host),
        }
    }

    pub(super) fn begins(&mut self, name: Option<&ToolName>) {
        self.running += 1;
        if let Some(tool) = self.tool(name) {
            tool.running += 1;
        }
    }

    pub(super) fn ends(&mut self, name: Option<&ToolName>, now: u64) {
        self.running = self.running.saturating_sub(1);
        self.pace.frees(now);
        if let Some(tool) = self.tool(name) {
            tool.running = tool.running.saturating_sub(1);
        }
    }

    pub(super) fn waits(&mut self, name: Option<&ToolName>, number: u64, waiter: W) {
        self.waiting += 1;
        if let Some(tool) = self.tool(name) {
            tool.waiting.push_back((number, waiter));
        }
    }

    /// Takes a waiting call out.
    pub(super) fn leaves(&mut self, name: Option<&ToolName>, number: u64) -> Option<W> {
        let tool = self.tool(name)?;
        let index = tool.waiting.iter().position(|(waiting, _)| *waiting == number)?;
        let (_, waiter) = tool.waiting.remove(index)?;
        self.waiting -= 1;
        Some(waiter)
    }

    /// Since when the call waits that would go on next, if one could.
    pub(super) fn oldest(&self) -> Option<u64> {
        if self.running >= self.calls {
            return None;
        }
        let free = self.tools.iter().filter(|tool| tool.running < tool.calls);
        free.filter_map(|tool| tool.waiting.front().map(|(number, _)| *number)).min()
    }

    /// That call.
    pub(super) fn goes_on(&mut self) -> Option<(Option<ToolName>, W)> {
        let oldest = self.oldest()?;
        let first = |tool: &&mut Tool<W>| tool.waiting.front().is_some_and(|(number, _)| *number == oldest);
        let tool = self.tools.iter_mut().find(first)?;
        let (_, waiter) = tool.waiting.pop_front()?;
        let name = tool.name.clone();
        tool.running += 1;
        (self.running, self.waiting) = (self.running + 1, self.waiting - 1);
        Some((name, waiter))
    }

    /// Takes the newest waiting call out.
    pub(super) fn sheds(&mut self) -> Option<(Option<ToolName>, W)> {
        let tools = self.tools.iter_mut().filter(|tool| !tool.waiting.is_empty());
        let tool = tools.max_by_key(|tool| tool.waiting.back().map(|(number, _)| *number))?;
        let (_, waiter) = tool.waiting.pop_back()?;
        let name = tool.name.clone();
        self.waiting -= 1;
        Some((name, waiter))
    }

    fn tool(&mut self, name: Option<&ToolName>) -> Option<&mut Tool<W>> {
        self.tools.iter_mut().find(|tool| tool.name.as_ref() == name)
    }

    pub(super) fn tidy(&mut self) {
        self.tools.retain(|tool| tool.running > 0 || !tool.waiting.is_empty());
    }
}
