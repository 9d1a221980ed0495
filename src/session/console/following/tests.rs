//! Journals that grow, are torn, cut back and taken away, while they are followed.

use super::*;
use crate::console::fixtures;
use crate::journal::Journal;
use crate::playbook::record::{Event as Line, Record, RunId};

fn record(second: i64, event: Line) -> Record {
    Record { at: fixtures::at(second), by: "oncall@bastion1".into(), event }
}

fn declared(id: &str) -> Record {
    let mut state = fixtures::healthy(fixtures::SMALL);
    fixtures::declare(&mut state, 130);
    let mut declared = state.run.unwrap().run.declared.clone();
    declared.run = RunId(id.into());
    record(130, Line::Declared(Box::new(declared)))
}

fn bytes_read(journals: &Journals) -> u64 {
    journals.read.values().map(|reading| reading.bytes).sum()
}

#[test]
fn only_what_was_added_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut journals = Journals::default();
    assert!(!journals.look(folder.path()) && journals.runs().is_empty());
    let mut first = Journal::create(folder.path(), &RunId("000001".into())).unwrap();
    first.append(&declared("000001")).unwrap();
    assert!(journals.look(folder.path()));
    assert!(!journals.look(folder.path()), "nothing came");
    // What was read before is not read again: were it looked at, this would be damage.
    let path = folder.path().join("000001.jsonl");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![b'#'; whole.len()]).unwrap();
    first.append(&record(131, Line::Detached)).unwrap();
    assert!(journals.look(folder.path()));
    assert_eq!(journals.runs().len(), 1);
    assert!(journals.read.values().all(|reading| !reading.damaged));
    assert_eq!(bytes_read(&journals), std::fs::metadata(&path).unwrap().len());
}

#[test]
fn a_line_that_is_half_there_waits_for_its_end_and_a_damaged_journal_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = {
        let mut journal = Journal::create(folder.path(), &RunId("000001".into())).unwrap();
        journal.append(&declared("000001")).unwrap();
        journal.append(&record(131, Line::Detached)).unwrap();
        (std::fs::read(journal.path()).unwrap(), journal.path().to_owned())
    };
    let mut journals = Journals::default();
    let at = whole.len() - 7;
    std::fs::write(&path, &whole[..at]).unwrap();
    assert!(journals.look(folder.path()));
    let before = bytes_read(&journals);
    assert!(before < at as u64 && !journals.look(folder.path()));
    std::fs::write(&path, &whole).unwrap();
    assert!(journals.look(folder.path()));
    assert_eq!(bytes_read(&journals), whole.len() as u64);
    // Another run is followed beside one that is damaged, and one that is gone is gone.
    std::fs::write(folder.path().join("000002.jsonl"), b"no journal\n").unwrap();
    let mut third = Journal::create(folder.path(), &RunId("000003".into())).unwrap();
    third.append(&declared("000003")).unwrap();
    assert!(journals.look(folder.path()));
    assert_eq!(journals.runs().len(), 2);
    assert!(!journals.look(folder.path()), "what is damaged is not read again and again");
    std::fs::remove_file(&path).unwrap();
    assert!(journals.look(folder.path()));
    assert_eq!(journals.runs().len(), 1);
    // Replaced by a shorter one: read from its beginning.
    std::fs::write(folder.path().join("000003.jsonl"), b"").unwrap();
    assert!(journals.look(folder.path()) && journals.runs().is_empty());
}
