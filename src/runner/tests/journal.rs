//! No record, no effect.

use super::*;
use crate::journal::JournalError;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::io::Write;
use std::os::fd::AsRawFd;

/// A run whose journal can be made to take not one byte more, as a full disk would.
fn sealable(sim: Sim) -> (Bench, std::fs::File) {
    let folder = folder();
    let first = declaration(&sim);
    let mut real = Journal::create(folder.path(), &id()).unwrap();
    real.append(&first).unwrap();
    let path = real.path().to_owned();
    let text = std::fs::read(&path).unwrap();
    drop(real);
    let mut disk = std::fs::File::from(memfd_create("journal", MemfdFlags::ALLOW_SEALING).unwrap());
    disk.write_all(&text).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(format!("/proc/self/fd/{}", disk.as_raw_fd()), &path).unwrap();
    let (journal, records, _) = Journal::open(folder.path(), &id()).unwrap();
    let run = crate::journal::replay(&path, &records).unwrap();
    (Bench::with(Fake::new(sim, path), folder, run, journal, "op@bastion", false), disk)
}

#[tokio::test]
async fn when_a_record_can_not_be_written_nothing_is_performed() {
    let (mut bench, disk) = sealable(healthy_pair());
    bench.looks(3).await;
    fcntl_add_seals(&disk, SealFlags::GROW).unwrap();
    bench.order(Order::Start { step: None, consent: Some(bench.agreement()) }).await;
    let ended = (&mut bench.task).await.unwrap();
    assert!(matches!(ended, Err(DriveError::Journal(JournalError::Io { .. }))), "{ended:?}");
    bench.look().await;
    assert_eq!(bench.world.sent(), []);
    assert!(bench.trouble[0].contains("append to"), "{:?}", bench.trouble);
    assert_eq!(bench.records().len(), 1);
}

#[tokio::test]
async fn when_an_answer_can_not_be_written_nothing_more_is_performed() {
    // The disk fills up while the n-th request is on its way.
    for n in 1..8 {
        let (mut bench, disk) = sealable(healthy_pair());
        let mut count = 0;
        *bench.world.before.lock().unwrap() = Some(Box::new(move |_| {
            count += 1;
            if count == n {
                fcntl_add_seals(&disk, SealFlags::GROW).unwrap();
            }
        }));
        let ended = bench.through().await.unwrap();
        assert!(matches!(ended, Err(DriveError::Journal(_))), "{ended:?}");
        assert_eq!(bench.world.sent().len(), n, "went on after its journal failed");
        // Whoever reads the journal finds the request announced and its end unknown.
        let run = bench.run();
        let (_, step, slot) = run.current().unwrap();
        assert!(slot.state == StepState::Started && slot.outcomes.contains(&None), "{}: {:?}", step.id, slot.state);
    }
}

#[tokio::test]
async fn two_drivers_on_one_journal_are_refused() {
    let mut bench = Bench::new(healthy_pair());
    bench.looks(2).await;
    let second = Journal::open(bench.folder.path(), &id());
    assert!(matches!(second, Err(JournalError::Driven(_))));
    bench.order(Order::Detach).await;
    (&mut bench.task).await.unwrap().unwrap();
    assert!(Journal::open(bench.folder.path(), &id()).is_ok());
}
