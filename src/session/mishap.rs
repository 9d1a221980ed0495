//! A panic on request, for the tests of what a panic leaves behind. Compiled with debug assertions only, so that no
//! released program has it: `LEEWARD_TEST_PANIC=main` panics in the console's own loop once the first frame is on the
//! screen, `LEEWARD_TEST_PANIC=task` in a task beside it.

/// Where it is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// In the console's loop.
    Main,
    /// In a task beside it.
    Task,
}

/// What the environment asks for.
#[must_use]
pub fn wanted() -> Option<Mishap> {
    match std::env::var("LEEWARD_TEST_PANIC").ok()?.as_str() {
        "main" => Some(Mishap::Main),
        "task" => Some(Mishap::Task),
        _ => None,
    }
}

/// Makes it happen.
#[allow(clippy::panic)]
pub fn happen(mishap: Mishap) {
    match mishap {
        Mishap::Main => panic!("asked for by LEEWARD_TEST_PANIC"),
        Mishap::Task => drop(tokio::spawn(async { panic!("asked for by LEEWARD_TEST_PANIC") })),
    }
}
