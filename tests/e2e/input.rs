//! Bad input at the command line, and servers that are not what the configuration says: each is named clearly, with the
//! exit code that `leeward --help` documents, and nothing panics.

use crate::support::bench::{A, B, Bench, CONSENTS};
use crate::support::program::{Program, Told, leeward};
use crate::support::terminal::Terminal;
use crate::support::{absent, until};
use leeward::domain::region::Side;
use leeward::sandbox::postgres;
use rustix::process::Signal;
use std::path::Path;
use tempfile::TempDir;

/// A folder with a configuration of absent servers.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    absent(home.path());
    home
}

#[track_caller]
fn with_config(home: &Path, args: &[&str]) -> Told {
    leeward(home, &[&["--config", "config.toml"], args].concat())
}

#[test]
fn wrong_words_name_the_nearest_right_one() {
    let home = home();
    let consents = |text: &str| {
        std::fs::write(home.path().join("c.toml"), format!("schema = 1\nplaybook = \"failover\"\n{text}")).unwrap();
    };
    let reason = "reason = \"confirmed on the phone\"";
    for (file, args, nearest) in [
        ("", &["playbook", "plan", "failovre"][..], "failover"),
        ("", &["playbook", "run", "fnce"], "fence"),
        ("", &["drill", "region-outgae"], "region-outage"),
        ("", &["keymap", "print", "vmi"], "vim"),
        ("[[consent]]\nstep = \"promot\"", &["playbook", "run", "failover", "--consent", "c.toml"], "promote"),
        (
            "[[override]]\ngate = \"los-limit\"\nREASON",
            &["playbook", "run", "failover", "--consent", "c.toml"],
            "loss-limit",
        ),
        ("[[consnt]]\nstep = \"promote\"", &["playbook", "run", "failover", "--consent", "c.toml"], "consent"),
    ] {
        consents(&file.replace("REASON", reason));
        let told = with_config(home.path(), args).ended(2);
        assert!(told.err.contains(nearest), "{args:?}: {}", told.err);
        assert_eq!(told.out, "", "{args:?}");
    }
    // What clap knows by itself, it corrects by itself.
    with_config(home.path(), &["stats"]).ended(2).says("status");
    with_config(home.path(), &["playbook", "resum", "abcdef"]).ended(2).says("resume");
    with_config(home.path(), &["--colours", "lots"]).ended(2).says("256");
    assert!(!home.path().join("state/absent/runs").exists(), "nothing was begun");
}

#[test]
fn files_that_are_wrong_are_told_by_line_and_column() {
    let home = home();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    let step = "schema = 1\nname = \"mine\"\ntitle = \"Mine\"\nkind = \"unplanned\"\n\n[[step]]\nid = \"one\"\ntitle = \"One\"\n\
        do = \"database.fence\"\ngates = [\"lock-held\"]\nconsent = \"confirm\"\ntimeout = \"1m\"\nexpect = \"3s\"\nwhy = \"w\"\n";
    write("p.toml", step);
    with_config(home.path(), &["playbook", "check", "p.toml"]).ended(0).says("1 step\n");
    for (right, wrong, says) in [
        ("database.fence", "database.fnce", "database.fence"),
        ("lock-held", "lock-hold", "lock-held"),
        ("\"confirm\"", "\"confrim\"", "confirm"),
        ("\"1m\"", "\"soon\"", "soon"),
        ("expect", "expct", "expect"),
        ("id = \"one\"", "id = \"one two\"", "one two"),
    ] {
        write("p.toml", &step.replace(right, wrong));
        let told = with_config(home.path(), &["playbook", "check", "p.toml"]).ended(2).says(says);
        assert!(told.err.starts_with("p.toml:"), "{}", told.err);
    }
    write("k.toml", "schema = 1\n[global]\n\"ctrl-x\" = \"quti\"\n");
    with_config(home.path(), &["keymap", "check", "k.toml"]).ended(0).says("quit").says("k.toml:3").says("1 warning\n");
    with_config(home.path(), &["keymap", "check", "none.toml"]).ended(2).says("none.toml");
    write("t.toml", "schema = 1\nname = \"t\"\n[nothing]\n");
    with_config(home.path(), &["theme", "check", "t.toml"]).ended(2).says("t.toml:");
    write("binary.toml", "\u{0}\u{1b}[2J\u{7}");
    let told = with_config(home.path(), &["playbook", "check", "binary.toml"]).ended(2);
    assert!(!told.err.contains('\x1b') && !told.err.contains('\x07'), "{:?}", told.err);
}

/// Files that can not be read at all are bad input, whatever reads them: exit code 2, the file's name, and no word of the
/// reader's own.
#[test]
fn files_that_can_not_be_read_are_bad_input() {
    let home = home();
    let path = |name: &str| home.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("binary"), b"\x7fELF\x02\x01\x01\0\0\xff\xfe\x80\x1b[2J").unwrap();
    std::fs::write(path("latin"), b"schema = 1\nname = \"caf\xe9\"\n").unwrap();
    std::fs::write(path("nul"), "schema = 1\nna\0me = \"x\"\n").unwrap();
    std::fs::write(path("big"), "# text\n".repeat(1_500_000)).unwrap();
    for (file, says) in [
        ("nowhere", "No such file"),
        ("folder", "directory"),
        ("empty", "missing key"),
        ("binary", "UTF-8"),
        ("latin", "line 2"),
        ("nul", "nul:2:3"),
        ("big", "1024 KiB"),
    ] {
        let name = path(file).display().to_string();
        for args in [
            &["playbook", "check", &name][..],
            &["keymap", "check", &name],
            &["theme", "check", &name],
            &["playbook", "run", "failover", "--consent", &name],
            &["--config", &name, "config", "check"],
            &["--keymap", &name, "journal", "list"],
            &["--theme", &name, "journal", "list"],
        ] {
            let told = if args[0] == "--config" { leeward(home.path(), args) } else { with_config(home.path(), args) };
            let told = told.ended(2).says(file);
            // What is no file may have been meant as the name of a built-in one.
            let named = ["--keymap", "--theme"].contains(&args[0]) && file == "nowhere";
            let says = if named { file } else { says };
            assert!(told.err.contains(says), "{args:?}: {}", told.err);
            assert!(told.out.is_empty() && !told.err.contains('\x1b') && told.err.len() < 4000, "{args:?}: {told:?}");
        }
    }
    assert!(!path("state/absent/runs").exists(), "nothing was begun");
}

/// What a console would refuse is refused by every command, and the line ends and marks of other machines are not.
#[test]
fn looks_are_checked_by_every_command_and_line_ends_do_not_matter() {
    let home = home();
    for args in [
        &["--theme", "default-drak", "journal", "list"][..],
        &["--theme", "nope", "status"],
        &["--keymap", "vmi", "status"],
        &["--keymap", "vmi", "theme", "list"],
        &["--theme", "nope", "config", "init"],
    ] {
        let told = with_config(home.path(), args).ended(2).says(args[1]);
        assert_eq!(told.out, "", "{args:?}");
    }
    with_config(home.path(), &["--theme", "default-drak", "theme", "list"])
        .ended(2)
        .says("did you mean \"default-dark\"?");
    with_config(home.path(), &["--keymap", "k9s", "--theme", "default-dark", "journal", "list"]).ended(0);
    let text = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    std::fs::write(home.path().join("dos.toml"), format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    leeward(home.path(), &["--config", "dos.toml", "config", "check"]).ended(0).says("no problem found");
    // A place in such a file is the place that an editor shows.
    let wrong = text.replacen("environment", "enviroment", 1).replace('\n', "\r\n");
    std::fs::write(home.path().join("dos.toml"), format!("\u{feff}{wrong}")).unwrap();
    leeward(home.path(), &["--config", "dos.toml", "config", "check"]).ended(2).says("dos.toml:2:1");
}

#[test]
fn everything_that_is_wrong_in_a_file_is_told_at_once() {
    let home = home();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    let playbook = "schema = 1\nname = \"Mine\"\ntitle = \"Mine\"\nkind = \"unplanned\"\n\n[[step]]\nid = \"one\"\n\
        title = \"One\"\ndo = \"database.fnce\"\ngates = [\"lock-hold\", \"loss-limt\"]\ntimeout = \"soon\"\nwhy = \"w\"\n\n\
        [[step]]\nid = \"one\"\ntitel = \"Two\"\ntitle = \"Two\"\ndo = \"check\"\nconsent = \"confrim\"\ntimeout = \"1m\"\nwhy = \"w\"\n";
    write("p.toml", playbook);
    let told = with_config(home.path(), &["playbook", "check", "p.toml"]).ended(2);
    for says in [
        "p.toml:2:8",
        "did you mean \"database.fence\"?",
        "did you mean \"lock-held\"?",
        "did you mean \"loss-limit\"?",
        "\"soon\"",
        "two steps have the id",
        "did you mean \"title\"?",
        "did you mean \"confirm\"?",
    ] {
        assert!(told.err.contains(says), "{says} is not in {}", told.err);
    }
    assert_eq!(told.err.lines().filter(|line| line.starts_with("p.toml:")).count(), 8, "{}", told.err);
    let consents = "schema = 1\nplaybook = \"failover\"\n[[consent]]\nstep = \"promot\"\n[[override]]\ngate = \"los-limit\"\n\
        reason = \"no\"\n";
    write("c.toml", consents);
    let run = ["playbook", "run", "failover", "--consent", "c.toml"];
    let told = with_config(home.path(), &run).ended(2).says("promote").says("loss-limit").says("at least 8");
    assert_eq!(told.err.lines().filter(|line| line.starts_with("c.toml:")).count(), 3, "{}", told.err);
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    let wrong = config.replacen("environment", "enviroment", 1).replacen("kubeconfig", "kubconfig", 1);
    write("wrong.toml", &wrong.replacen("provider", "provder", 1));
    let told = leeward(home.path(), &["--config", "wrong.toml", "config", "check"]).ended(2);
    for says in ["\"environment\"?", "\"kubeconfig\"?", "\"provider\"?"] {
        assert!(told.err.contains(says), "{says} is not in {}", told.err);
    }
}

#[test]
fn a_configuration_that_is_missing_or_wrong_says_where_and_what() {
    let home = home();
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    let places = format!("{}/.config/leeward/config.toml", home.path().display());
    for args in [&["status"][..], &["config", "check"], &["watch"], &[], &["journal", "list"]] {
        leeward(home.path(), args).ended(2).says(&places).says("/etc/leeward/config.toml").says("leeward config init");
    }
    leeward(home.path(), &["--config", "nowhere.toml", "status"]).ended(2).says("nowhere.toml");
    for (from, to, says) in [
        ("context = \"south\"", "context = \"soth\"", "did you mean \"south\"?"),
        ("environment", "enviroment", "environment"),
        ("schema = 1", "schema = 7", "schema 7"),
        ("context = \"south\"", "context = \"north\"", "they would be one cluster"),
        ("127.0.0.1:2", "127.0.0.1:1", "is not its own replica"),
        ("provider = \"rfc2136\"", "provider = \"rfc2163\"", "rfc2136"),
    ] {
        std::fs::write(home.path().join("wrong.toml"), config.replace(from, to)).unwrap();
        let told = leeward(home.path(), &["--config", "wrong.toml", "config", "check"]).ended(2).says(says);
        assert!(told.err.contains("wrong.toml"), "{}", told.err);
        // What is refused here is refused by the console as well, before it takes the screen.
        let mut terminal = Terminal::leeward(home.path(), &["--config", "wrong.toml"], &[]);
        assert_eq!(terminal.end().exit_code(), 2);
        assert!(!String::from_utf8_lossy(&terminal.bytes()).contains("\x1b[?1049h"));
    }
    with_config(home.path(), &["--set", "regions.nort.context=x", "status"]).ended(2).says("regions.nort");
    with_config(home.path(), &["--set", "nonsense", "status"]).ended(2).says("nonsense");
    with_config(home.path(), &["config", "check"]).ended(0).says("no problem found");
    leeward(home.path(), &["config", "init"]).ended(0).says("schema = 1");
}

/// What is accepted and changes nothing is told with its place: by the check, by a command that works, and on the console.
#[test]
fn settings_that_are_read_and_not_used_are_never_silent() {
    let home = home();
    let text = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    let text = text.replacen("[dns]", "[approval]\napprovers = [\"ann\", \"bob\"]\n\n[dns]", 1);
    let text =
        text.replacen("context = \"north\"", "checkpoints = { url = \"s3://north/runs\" }\ncontext = \"north\"", 1);
    let from = text.find("provider = ").unwrap();
    let line = text[from..].find('\n').unwrap() + from;
    let text = format!("{}provider = \"command\"\ncommand = [\"/bin/switch\"]{}", &text[..from], &text[line..]);
    std::fs::write(home.path().join("unused.toml"), &text).unwrap();
    let place = |word: &str| text[..text.find(word).unwrap()].matches('\n').count() + 1;
    let told = [("s3://", "checkpoints"), ("\"ann\"", "approvers"), ("\"command\"", "provider \"command\"")].map(
        |(word, name)| {
            (format!("warning: unused.toml:{}:", place(word)), format!("{name}: accepted, not used by this version"))
        },
    );
    for args in [&["config", "check"][..], &["status"], &["playbook", "plan", "failover"], &["journal", "list"]] {
        let said = leeward(home.path(), &[&["--config", "unused.toml"], args].concat()).err;
        for (place, name) in &told {
            assert!(
                said.lines().any(|line| line.starts_with(place) && line.contains(name)),
                "{args:?} {place}: {said}"
            );
        }
    }
    leeward(home.path(), &["--config", "unused.toml", "config", "check"]).ended(0).says("no problem found, but ");
    let mut terminal = Terminal::leeward(home.path(), &["--config", "unused.toml"], &[]);
    terminal.view("overview");
    terminal.keys("t");
    for name in ["checkpoints", "approvers", "provider \"command\""] {
        terminal.has(&format!(": {name}: accepted"));
    }
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn runs_that_do_not_exist_and_journals_that_are_damaged() {
    let home = home();
    for args in [
        &["journal", "show", "abcdef"][..],
        &["journal", "verify", "abcdef"],
        &["playbook", "resume", "abcdef"],
        &["playbook", "abort", "abcdef", "--reason", "it does not exist"],
        &["playbook", "undo", "abcdef", "promote"],
    ] {
        with_config(home.path(), args).ended(2).says("abcdef").says("leeward journal list");
    }
    with_config(home.path(), &["journal", "list"]).ended(0).says("no run of absent");
    let runs = home.path().join("state/absent/runs");
    std::fs::create_dir_all(&runs).unwrap();
    std::fs::write(runs.join("abcdef.jsonl"), "{\"n\":0}\n").unwrap();
    std::fs::write(runs.join("123456.jsonl"), "\u{1b}]0;title\u{7}\n").unwrap();
    let told = with_config(home.path(), &["journal", "verify"]).ended(1).says("DAMAGED");
    assert!(!told.out.contains('\x1b'), "{:?}", told.out);
    with_config(home.path(), &["journal", "show", "abcdef"]).ended(1).says("line 1");
    with_config(home.path(), &["playbook", "resume", "abcdef"]).ended(1).says("line 1");
    // Two that begin alike are told apart, and a name that a terminal would obey reaches none.
    std::fs::write(runs.join("abcd00.jsonl"), "").unwrap();
    std::fs::write(runs.join("e\u{1b}[2Jf.jsonl"), "").unwrap();
    with_config(home.path(), &["journal", "show", "abcd"]).ended(2).says("2 runs begin with").says("abcd00");
    with_config(home.path(), &["journal", "show", "ffff"]).ended(2).says("no run begins with \"ffff\"");
    for args in
        [&["journal", "list"][..], &["journal", "verify"], &["journal", "show", "e"], &["journal", "show", "\u{1b}"]]
    {
        let told = with_config(home.path(), args);
        assert!(!told.out.contains('\x1b') && !told.err.contains('\x1b'), "{args:?}: {told:?}");
    }
    // Who only looks at the regions is not kept from it by a folder of journals that can not be listed.
    let told =
        with_config(home.path(), &["--set", "state.dir=/dev/null", "status"]).ended(3).says("readiness  NO DIRECTION");
    assert!(told.err.contains("warning: the journals could not be listed"), "{}", told.err);
    // The console comes up beside them.
    let mut terminal = Terminal::leeward(home.path(), &["--config", "config.toml"], &[]);
    terminal.view("overview");
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn servers_that_are_absent_are_told_and_nothing_is_begun() {
    let home = home();
    let told = with_config(home.path(), &["status"]).ended(3).says("BLIND").says("refused");
    assert!(!told.out.contains("PRIMARY") && !told.out.contains("STANDBY"), "{}", told.out);
    let json = with_config(home.path(), &["status", "-o", "json"]).ended(3);
    serde_json::from_str::<serde_json::Value>(&json.out).unwrap();
    with_config(home.path(), &["playbook", "plan", "failover"]).ended(3);
    with_config(home.path(), &["playbook", "run", "failover"]).ended(4).says("nothing was declared");
    let consents = "schema = 1\nplaybook = \"failover\"\n[[consent]]\nstep = \"declare\"\n";
    std::fs::write(home.path().join("c.toml"), consents).unwrap();
    let run = ["playbook", "run", "failover", "--consent", "c.toml"];
    with_config(home.path(), &run).ended(1).says("primary");
    assert!(!home.path().join("state/absent/runs").exists(), "a run without a direction was begun");
    with_config(home.path(), &[&["--set", "read_only=true"], &run[..]].concat()).ended(1).says("read-only");
}

/// A copy of the sandbox's configuration with something changed.
fn changed(bench: &Bench, name: &str, change: impl Fn(String) -> String) -> String {
    let text = std::fs::read_to_string(bench.config()).unwrap();
    let now = change(text.clone());
    assert_ne!(text, now, "{name}: nothing was changed");
    let path = bench.home.path().join(name);
    let state = bench.sandbox().folder().join("state").display().to_string();
    std::fs::write(&path, now.replace(&state, &bench.home.path().join("state").display().to_string())).unwrap();
    path.display().to_string()
}

#[test]
fn databases_that_are_not_what_the_configuration_says() {
    let bench = Bench::start();
    bench.ready();
    let home = bench.home.path();
    std::fs::write(home.join("wrong-password"), "not the password").unwrap();
    let monitor_file = bench.sandbox().databases().password_file(postgres::Role::Monitor).display().to_string();

    // A wrong password of the watching user, in both regions: refused, and said to be.
    let wrong = home.join("wrong-password").display().to_string();
    let config = changed(&bench, "password.toml", |text| text.replace(&monitor_file, &wrong));
    let told = leeward(home, &["--config", &config, "status"]).ended(3).says("password authentication failed");
    assert!(!told.out.contains("not the password") && !told.err.contains("not the password"));
    let consents = bench.consents(&CONSENTS, &["old-region-fenced", "loss-limit"]);
    leeward(home, &["--config", &config, "playbook", "run", "failover", "--consent", consents]).ended(1);
    stays_up(home, &config, "refused");

    // A password file that is not there.
    let config = changed(&bench, "no-file.toml", |text| text.replace(&monitor_file, "/nowhere/password"));
    let told = leeward(home, &["--config", &config, "status"]);
    assert!(told.code == Some(2) || told.code == Some(3), "{told:?}");
    told.says("/nowhere/password");

    // A server that is there and is no PostgreSQL.
    let other = bench.sandbox().webhook().addr().to_string();
    let line = bench.sandbox().endpoints().regions.a.database.url;
    let database = line.split(['@', '/']).nth(3).unwrap().to_owned();
    let config = changed(&bench, "no-postgres.toml", |text| text.replace(&database, &other));
    leeward(home, &["--config", &config, "status"]).ended(3).says(&other);
    stays_up(home, &config, A);

    // Another pair's server stands where the replica should be: two systems, and neither follows the other.
    let stranger = bench.runtime.block_on(postgres::Pair::start(postgres::PairOptions::default())).unwrap();
    let line = bench.sandbox().endpoints().regions.b.database.url;
    let replica = line.split(['@', '/']).nth(3).unwrap().to_owned();
    let files = |text: String| {
        let text = text.replace(&replica, &stranger.addr(postgres::Side::B).to_string());
        let (before, after) = text.split_once(&format!("[regions.{B}.database]")).unwrap();
        let swap = |text: &str, role| {
            let of = |pair: &postgres::Pair| pair.password_file(role).display().to_string();
            text.replace(&of(bench.sandbox().databases()), &of(&stranger))
        };
        let after = swap(&swap(after, postgres::Role::Monitor), postgres::Role::Operator);
        // Its certificate is of another authority, which is trusted here: what is to be found is that it is another pair.
        let authority = |pair: &postgres::Pair| pair.ca_file().display().to_string();
        let after = after.replace(&authority(bench.sandbox().databases()), &authority(&stranger));
        format!("{before}[regions.{B}.database]{after}")
    };
    let config = changed(&bench, "stranger.toml", files);
    let told = leeward(home, &["--config", &config, "status"]).ended(3);
    assert!(told.out.contains("system"), "that they are two systems is not told: {}", told.out);
    let mut run = Program::start(home, &["--config", &config, "playbook", "run", "failover", "--consent", consents]);
    until("the gate holds", || run.out().contains("waits for at most").then_some(()));
    assert!(run.out().contains("same-system") || run.out().contains("right-servers"), "{}", run.out());
    run.signal(Signal::INT);
    let told = run.end().ended(4);
    let id = told.out.split_whitespace().nth(1).unwrap().trim_end_matches(':').to_owned();
    leeward(home, &["--config", &config, "playbook", "abort", &id, "--reason", "the wrong server"]).ended(0);
    leeward(home, &["--config", &config, "journal", "list"]).ended(0).says("given up: the wrong server");
    leeward(home, &["--config", &config, "playbook", "resume", &id]).ended(1).says("is over");
    assert!(stranger_is_replica(&bench, &stranger), "the stranger's replica was promoted");
    assert!(bench.standing(postgres::Side::B).in_recovery && bench.writes().is_empty(), "{:?}", bench.writes());
    stays_up(home, &config, B);

    // Swapped contexts: the servers of one region under the other's name.
    let config = changed(&bench, "swapped.toml", |text| {
        let text = text.replace(&format!("context = \"{A}-operator\""), "context = \"first\"");
        let text = text.replace(&format!("context = \"{B}-operator\""), &format!("context = \"{A}-operator\""));
        text.replace("context = \"first\"", &format!("context = \"{B}-operator\""))
    });
    let told = leeward(home, &["--config", &config, "playbook", "run", "failover", "--consent", consents]).ended(1);
    assert!(told.err.contains("nothing was sent"), "{}", told.err);
    assert!(bench.writes().is_empty() && bench.holder(Side::B, "leeward-sandbox").is_none());
    bench.runtime.block_on(async { drop(stranger) });
}

fn stranger_is_replica(bench: &Bench, stranger: &postgres::Pair) -> bool {
    use sqlx::Connection;
    bench.runtime.block_on(async {
        let mut session = stranger.connect(postgres::Side::B, postgres::Role::Monitor).await.unwrap();
        let is: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut session).await.unwrap();
        session.close().await.unwrap();
        is
    })
}

/// The console on this configuration says these words and stays.
#[track_caller]
fn stays_up(home: &Path, config: &str, words: &str) {
    let mut terminal = Terminal::leeward(home, &["--config", config], &[]);
    terminal.has(words);
    for keys in ["w", "d", "m", "n", "t", "p", "o"] {
        terminal.keys(keys);
    }
    terminal.view("overview");
    terminal.keys("q");
    assert_eq!(terminal.end().exit_code(), 0);
    terminal.is_clean();
}
