//! Why there is no direction, as rows: one sentence, and what to do with the live keys. Pure.

use crate::console::action::Action;
use crate::console::row::{Row, Tone, wrap};
use crate::console::state::{Access, State};
use crate::console::view::View;

impl State {
    /// The verdict on a failover, in a word or two: without a direction, what there is instead of one.
    #[must_use]
    pub fn readiness_word(&self) -> (String, Tone) {
        use crate::gates::readiness::State as Verdict;
        let readiness = &self.derived.readiness;
        let headline = readiness.headline();
        match readiness.state {
            Verdict::Ready => (headline, Tone::Good),
            Verdict::ReadyWithWarnings => (headline, Tone::Warn),
            Verdict::Blocked => (headline, Tone::Bad),
            Verdict::NoDirection => match self.fleet.split() {
                Some(split) if split.fenced() => ("NO STANDBY".to_owned(), Tone::Warn),
                Some(_) => ("TWO PRIMARIES".to_owned(), Tone::Bad),
                None => (headline, Tone::Unknown),
            },
        }
    }

    /// With a run open, what would be said of a failover now is asked by its steps, and of another one afterwards.
    #[must_use]
    pub fn readiness_note(&self) -> Option<String> {
        let run = self.run.as_ref().map(|followed| &followed.run).filter(|run| run.ended.is_none())?;
        let place = match self.open_step() {
            Some((at, step, _)) => format!("step {} of {} {}", at + 1, run.steps.len(), step.id),
            None => "every step behind".to_owned(),
        };
        let keys = self.keymap.keys_for(View::Overview.mode(), Action::ViewPlaybooks);
        let key = crate::console::hints::best(keys).unwrap_or_else(|| "its page".to_owned());
        Some(format!("run {} is open at {place}; {key} shows what holds it", run.declared.run))
    }

    /// The failover that readiness speaks of would undo the one that was followed here: it leads back. The region's name.
    #[must_use]
    pub fn leads_back_to(&self) -> Option<&str> {
        let run = &self.run.as_ref()?.run;
        let way = self.derived.readiness.direction?;
        (run.promotion_started() && way.to == run.declared.direction.from).then(|| self.fleet.name(way.to))
    }

    /// Why there is no direction, in lines of so many columns. Empty: there is one.
    #[must_use]
    pub fn why_no_direction(&self, columns: usize) -> Vec<Row> {
        let Some((words, advice)) = self.fleet.no_direction() else { return Vec::new() };
        let split = self.fleet.split();
        let tone = match &split {
            Some(split) if split.fenced() => Tone::Plain,
            Some(_) => Tone::Bad,
            None => Tone::Unknown,
        };
        let mut rows: Vec<Row> = wrap(&words, columns).into_iter().map(|line| Row::of(line, tone)).collect();
        let advice = match split.and_then(|split| split.old.filter(|_| !split.fenced())) {
            Some(old) => self.fence_advice(self.fleet.name(old), &advice),
            None => advice,
        };
        if !advice.is_empty() {
            rows.extend(wrap(&advice, columns).into_iter().map(|line| Row::of(line, Tone::Strong)));
        }
        rows
    }

    /// How the old primary is fenced from here.
    fn fence_advice(&self, old: &str, otherwise: &str) -> String {
        let key = |view: View, action: Action| {
            crate::console::hints::best(self.keymap.keys_for(view.mode(), action))
                .unwrap_or_else(|| action.name().to_owned())
        };
        let playbooks = key(View::Overview, Action::ViewPlaybooks);
        if self.run_is_open() {
            return format!("fence {old}: the open run asks for its fence steps again ({playbooks} shows it)");
        }
        if self.access == Access::ReadOnly {
            return otherwise.to_owned();
        }
        let declare = key(View::Playbooks, Action::RunStep);
        format!("fence {old}: {playbooks} opens the playbook fence, {declare} declares it (leeward playbook run fence)")
    }

    /// A run is open, whoever drives it.
    #[must_use]
    pub fn run_is_open(&self) -> bool {
        self.run.as_ref().is_some_and(|followed| followed.run.ended.is_none())
    }

    /// The old primary is not fenced, and nobody is at it.
    #[must_use]
    pub fn fence_is_wanted(&self) -> bool {
        !self.run_is_open() && self.fleet.split().is_some_and(|split| split.old.is_some() && !split.fenced())
    }
}
