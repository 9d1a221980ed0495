//! The exact loss, once the old side can be read again. Pure.

use super::record::{Measured, Note};
use super::run::Run;
use crate::domain::Timestamp;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::replication::Loss;

/// What the run lost, if the old side says so now and the run does not know yet. The old side has to be out of recovery on
/// the timeline that was left, so that it has not been rebuilt since. It is asked again, once, when it is fenced after it
/// had taken writes: what it wrote from its return on is lost as well, and is told apart.
///
/// Bytes are the end of the old log less what the new side had when it was promoted. The end is, of a server that was
/// started again since we last saw it, where it crashed or was stopped (`redo_lsn` of the checkpoint that its start ends
/// with, until the next one moves it on), and of one that was only out of sight, its present end. Rows are the
/// old side's newest archive rows that the new side did not have; they are only told when the two lists overlap, since
/// otherwise there may be more than the list shows.
#[must_use]
pub fn measure(run: &Run, fleet: &Fleet) -> Option<Measured> {
    if !run.promoted() {
        return None;
    }
    let region = fleet.region(run.declared.direction.from);
    let sample = region.live_database(fleet.now)?;
    let primary = sample.primary()?;
    let fenced = !sample.accepts_writes();
    let earlier = run.measured.as_ref();
    if run.declared.before.timeline != Some(sample.timeline) || earlier.is_some_and(|known| known.fenced || !fenced) {
        return None;
    }
    let (noted, newest) = run.steps.iter().find_map(|slot| match &slot.note {
        Some(Note::Loss { loss, newest, .. }) => Some((loss, newest)),
        _ => None,
    })?;
    let known = region.database.as_ref()?;
    let again = noted.primary_at.is_none_or(|last| started_after(last, known.at, sample.server_time, primary.started));
    let crash = match earlier {
        // The first look was nearer to the crash.
        Some(earlier) => earlier.loss.primary_lsn.filter(|_| earlier.wrote_on.is_some()),
        None => primary.redo.filter(|redo| again && noted.primary_lsn.is_none_or(|seen| *redo >= seen)),
    };
    let end = crash.unwrap_or(primary.lsn);
    let has = noted.replica_lsn?;
    let archive = region.archive.as_ref().filter(|known| !known.remembered && known.at >= run.last_at);
    let rows = archive.and_then(|known| lost_rows(&known.value.newest, newest));
    let loss = Loss {
        bytes: Some(end.ahead_of(has)),
        after: None,
        writing: None,
        primary_at: Some(known.at),
        unseen: noted.unseen,
        primary_lsn: Some(end),
        replica_lsn: Some(has),
        exact: true,
    };
    Some(Measured { loss, rows, wrote_on: crash.map(|crash| primary.lsn.ahead_of(crash)), fenced })
}

/// Whether a server that says it was `started` then, by its own clock, was started after `last` by ours. The two clocks
/// are set beside each other by a look: what it called `server_time`, we called `looked`. Not told: it was not.
fn started_after(last: Timestamp, looked: Timestamp, server_time: Timestamp, started: Option<Timestamp>) -> bool {
    started.is_some_and(|started| looked - server_time.duration_since(started) > last)
}

fn lost_rows(old: &[String], new: &[String]) -> Option<u64> {
    if old.is_empty() {
        return Some(0);
    }
    let lost = old.iter().filter(|uid| !new.contains(uid)).count();
    (lost < old.len()).then_some(lost as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_only_when_the_lists_overlap() {
        let list = |uids: &[&str]| uids.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(lost_rows(&list(&["c", "b", "a"]), &list(&["b", "a"])), Some(1));
        assert_eq!(lost_rows(&list(&["b", "a"]), &list(&["b", "a"])), Some(0));
        assert_eq!(lost_rows(&list(&["d", "c"]), &list(&["b", "a"])), None);
        assert_eq!(lost_rows(&[], &list(&["b"])), Some(0));
    }
}
