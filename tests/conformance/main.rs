//! `make conformance`: the same binary leads the same failover on real servers. Does nothing unless
//! `LEEWARD_CONFORMANCE` names a file of variables; README.md beside this file says what stands in it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::print_stderr)]

mod bench;
mod cases;
mod changes;
mod kill;
#[path = "../common/named.rs"]
mod named;
mod servers;
mod variables;

use std::time::Instant;

use bench::{Bench, shell};
use cases::{CASES, Case};
use variables::Variables;

#[test]
fn conformance() {
    let Some(file) = std::env::var_os("LEEWARD_CONFORMANCE") else {
        println!("skipped: LEEWARD_CONFORMANCE names no file of variables");
        return;
    };
    let variables = Variables::read(file.as_ref()).unwrap_or_else(|problem| panic!("{problem}"));
    // Both TLS providers are linked; rustls would panic at its first use with none installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let failed = runtime.block_on(all(variables, &chosen()));
    assert!(failed.is_empty(), "{} cases failed: {}", failed.len(), failed.join(", "));
}

/// The names in `LEEWARD_CASES`; all without it.
fn chosen() -> Vec<&'static Case> {
    let wanted = std::env::var("LEEWARD_CASES").unwrap_or_default();
    let words: Vec<&str> = wanted.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    for word in &words {
        assert!(names().contains(word), "no case is called {word}: {:?}", names());
    }
    CASES.iter().filter(|case| words.is_empty() || words.contains(&case.name)).collect()
}

fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

async fn all(mut variables: Variables, cases: &[&'static Case]) -> Vec<&'static str> {
    announce(&variables, cases);
    let mut failed = Vec::new();
    let mut lines = Vec::new();
    let mut fresh = false;
    for case in cases.iter().copied() {
        if case.destroys && !variables.may_destroy {
            lines.push(format!("skipped  {}: DESTROY is not in the file", case.name));
            continue;
        }
        // Without the right to destroy, the pair is taken as it is.
        if !fresh && variables.may_destroy {
            shell("RESET", &variables.reset);
            variables = variables.again().unwrap_or_else(|problem| panic!("{problem}"));
        }
        fresh = !case.destroys;
        println!("\n=== {}: {}", case.name, case.title);
        let began = Instant::now();
        let given = variables.clone();
        // A task of its own, so that a case that fails does not end the others.
        let outcome = tokio::spawn(async move { (case.run)(Bench::start(given).await).await }).await;
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("--- {}: {word}, {} s", case.name, began.elapsed().as_secs());
        lines.push(format!("{word:<8} {:<22} {:>4} s  {}", case.name, began.elapsed().as_secs(), case.title));
        if outcome.is_err() {
            failed.push(case.name);
            fresh = false;
        }
    }
    println!("\n{}", lines.join("\n"));
    failed
}

/// Says what will happen before anything does.
fn announce(variables: &Variables, cases: &[&'static Case]) {
    println!("A is {}, B is {}; cases: {}", variables.a.name, variables.b.name, cases.len());
    if variables.may_destroy && cases.iter().any(|case| case.destroys) {
        println!(
            "This makes the pair new (RESET), suspends and activates crons, scales workflow controllers to 0 and up, fences\n\
             the database of {a}, stops {a} (REGION_DOWN), PROMOTES the database of {b} and runs workflows there, each\n\
             several times. Nothing of what is in the pair now is kept.",
            a = variables.a.name,
            b = variables.b.name
        );
    } else {
        println!("Nothing is promoted: DESTROY is not in the file, or no case asks for it.");
    }
}
