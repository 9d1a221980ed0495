//! The journal under cuts, changes and two drivers.

use super::*;
use crate::domain::Timestamp;
use crate::playbook::record::Event;
use line::read_all;
use proptest::prelude::*;

fn record(n: i64) -> Record {
    Record {
        at: Timestamp::from_second(n).unwrap(),
        by: format!("op-{n} \"quoted\" ,\"record\":{{}}"),
        event: Event::Detached,
    }
}

fn lines(count: i64) -> Vec<u8> {
    let mut link = Link::first();
    let mut bytes = Vec::new();
    for n in 0..count {
        let (text, next) = link.line(&record(n));
        bytes.extend_from_slice(text.as_bytes());
        link = next;
    }
    bytes
}

#[test]
fn what_is_written_is_read() {
    let read = read_all(&lines(5));
    assert_eq!(read.records, (0..5).map(record).collect::<Vec<_>>());
    assert!(read.damaged.is_none());
}

#[test]
fn a_line_that_was_taken_out_moved_or_changed_is_named() {
    let bytes = lines(4);
    let parts: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let join = |parts: &[&[u8]]| parts.concat();
    assert!(matches!(read_all(&join(&[parts[0], parts[2]])).damaged, Some((2, LineError::Sequence { .. }))));
    assert!(matches!(read_all(&join(&[parts[1], parts[0]])).damaged, Some((1, LineError::Sequence { .. }))));
    let changed = String::from_utf8(bytes.clone()).unwrap().replacen("op-1", "op-7", 1);
    assert!(matches!(read_all(changed.as_bytes()).damaged, Some((2, LineError::Hash))));
    let mut other = lines(4);
    other.splice(0..parts[0].len(), Link::first().line(&record(9)).0.bytes());
    assert!(matches!(read_all(&other).damaged, Some((2, LineError::Chain))));
}

#[test]
fn a_torn_line_is_kept_aside_and_the_file_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunId("7f3a00".into());
    let path = folder.path().join("7f3a00.jsonl");
    let whole = lines(3);
    std::fs::write(&path, [&whole[..], b"{\"seq\":3,\"prev\":\"ab"].concat()).unwrap();
    let (mut journal, records, torn) = Journal::open(folder.path(), &run).unwrap();
    assert_eq!(records.len(), 3);
    let torn = torn.expect("the torn line is reported");
    assert_eq!(std::fs::read(&torn.kept_in).unwrap(), b"{\"seq\":3,\"prev\":\"ab");
    journal.append(&record(3)).unwrap();
    drop(journal);
    assert_eq!(read_all(&std::fs::read(&path).unwrap()).records.len(), 4);
}

#[test]
fn one_process_has_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunId("7f3a00".into());
    let mut journal = Journal::create(folder.path(), &run).unwrap();
    journal.append(&record(0)).unwrap();
    assert!(matches!(Journal::open(folder.path(), &run), Err(JournalError::Driven(_))));
    drop(journal);
    assert!(Journal::open(folder.path(), &run).is_ok());
    assert!(matches!(Journal::create(folder.path(), &run), Err(JournalError::Io { .. })), "a run is never overwritten");
}

#[test]
fn after_a_failed_append_nothing_more_is_written() {
    // A file opened for reading refuses every write, as a full disk would.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, b"").unwrap();
    let file = File::open(&path).unwrap();
    let mut journal = Journal { file, path: path.clone(), link: Link::first(), poisoned: false };
    assert!(matches!(journal.append(&record(0)), Err(JournalError::Io { .. })));
    assert!(matches!(journal.append(&record(1)), Err(JournalError::Poisoned(_))));
}

proptest! {
    #[test]
    fn a_file_cut_anywhere_reads_as_a_beginning(cut in 0_usize..2000) {
        let bytes = lines(6);
        let cut = cut.min(bytes.len());
        let read = read_all(&bytes[..cut]);
        prop_assert!(read.damaged.is_none());
        let expected: Vec<Record> = (0..i64::try_from(read.records.len()).unwrap()).map(record).collect();
        prop_assert_eq!(read.records, expected);
        prop_assert!(read.whole <= cut);
    }

    #[test]
    fn no_changed_byte_goes_unseen(place in 0_usize..2000, flip in 1_u8..=255) {
        let mut bytes = lines(6);
        let place = place % bytes.len();
        bytes[place] ^= flip;
        let read = read_all(&bytes);
        // A changed line end joins two lines or tears the last one; either is damage, or a shorter beginning.
        let whole = read.records.iter().zip(0..).all(|(got, n)| *got == record(n));
        prop_assert!(whole && (read.damaged.is_some() || read.records.len() < 6));
    }
}
