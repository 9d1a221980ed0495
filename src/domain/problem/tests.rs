//! What people read when they made a mistake, word for word.

use serde::Deserialize;
use toml::Spanned;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct File {
    schema: u32,
    rto: Option<String>,
    read_only: Option<bool>,
    #[serde(default)]
    regions: std::collections::BTreeMap<String, Region>,
    #[serde(default)]
    step: Vec<Step>,
    kind: Option<Kind>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Region {
    context: Spanned<String>,
    #[serde(default)]
    namespaces: Vec<String>,
    controller: Option<Controller>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Controller {
    namespace: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Step {
    id: String,
    replicas: Option<u8>,
    with: Option<Controller>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Planned,
    Unplanned,
}

fn problem(text: &str) -> Problem {
    match parse_toml::<File>("c.toml", text) {
        Ok(file) => panic!("read without a problem: {file:?}"),
        Err(problem) => problem,
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn what_people_read() {
    let table: &[(&str, &str)] = &[
        (
            "schema = 1\n[regions.us-central1]\ncontext = \"a\"\nnamspaces = []\n",
            "c.toml:4:1: unknown key \"namspaces\" in [regions.us-central1]; did you mean \"namespaces\"?\n \
             4 | namspaces = []\n   | ^^^^^^^^^",
        ),
        (
            "schema = 1\nzebra = 2\n",
            "c.toml:2:1: unknown key \"zebra\" in the top level; known: schema, rto, read_only, regions, step, kind\n \
             2 | zebra = 2\n   | ^^^^^",
        ),
        (
            "schema = 1\n\n[regions.us-east1]\nnamespaces = []\n",
            "c.toml:3:1: missing key \"context\" in [regions.us-east1]\n 3 | [regions.us-east1]\n   | ^^^^^^^^^^^^^^^^^^",
        ),
        ("rto = \"15m\"\n", "c.toml:1:1: missing key \"schema\" in the top level\n 1 | rto = \"15m\"\n   | ^"),
        (
            "schema = 1\nrto = 15\n",
            "c.toml:2:7: \"rto\" in the top level must be a string, not the integer 15\n 2 | rto = 15\n   |       ^^",
        ),
        (
            "schema = 1\nread_only = \"no\"\n",
            "c.toml:2:13: \"read_only\" in the top level must be true or false, not a string\n \
             2 | read_only = \"no\"\n   |             ^^^^",
        ),
        (
            "schema = -1\n",
            "c.toml:1:10: \"schema\" in the top level must be a whole number, 0 or more, not integer -1\n \
             1 | schema = -1\n   |          ^^",
        ),
        (
            "schema = 1\nkind = \"unplaned\"\n",
            "c.toml:2:8: \"unplaned\" is no valid value for \"kind\"; known: planned, unplanned; did you mean \"unplanned\"?\n \
             2 | kind = \"unplaned\"\n   |        ^^^^^^^^^^",
        ),
        (
            "schema = 1\n[[step]]\nid = \"a\"\n[[step]]\nid = \"b\"\nreplica = 1\n",
            "c.toml:6:1: unknown key \"replica\" in [[step]] number 2; did you mean \"replicas\"?\n \
             6 | replica = 1\n   | ^^^^^^^",
        ),
        (
            "schema = 1\n[[step]]\nreplicas = 1\n",
            "c.toml:2:1: missing key \"id\" in [[step]] number 1\n 2 | [[step]]\n   | ^^^^^^^^",
        ),
        (
            "schema = 1\n[[step]]\nid = \"b\"\nwith = { namespce = \"x\" }\n",
            "c.toml:4:10: unknown key \"namespce\" in [step.with] (step number 1); did you mean \"namespace\"?\n \
             4 | with = { namespce = \"x\" }\n   |          ^^^^^^^^",
        ),
        (
            "schema = 1\n[regions.a]\ncontext = \"x\"\ncontroller = {}\n",
            "c.toml:4:14: missing key \"namespace\" in [regions.a.controller]\n 4 | controller = {}\n   |              ^^",
        ),
        (
            "schema = 1\n[regions.a]\ncontext = [\"x\"]\n",
            "c.toml:3:11: \"context\" in [regions.a] must be a string, not a list\n 3 | context = [\"x\"]\n   |           ^^^^^",
        ),
        (
            "schema = 1\nregions = 3\n",
            "c.toml:2:11: \"regions\" in the top level must be a table, not the integer 3\n 2 | regions = 3\n   |           ^",
        ),
        (
            "schema = 1\n[regions]\na = \"x\"\n",
            "c.toml:3:5: \"a\" in [regions] must be a table, not a string\n 3 | a = \"x\"\n   |     ^^^",
        ),
        ("schema = 1\nrto = 15m\n", "c.toml:2:7: not valid TOML: "),
        ("schema = 1\nschema = 2\n", "c.toml:2:1: not valid TOML: duplicate key"),
        ("schema = 1\n[regions.a\n", "c.toml:2:11: not valid TOML: "),
        ("schema = 1\nrto = \"15m\n", "c.toml:2:"),
    ];
    for (text, wanted) in table {
        let shown = problem(text).to_string();
        let matches = if wanted.contains(" | ") { shown == *wanted } else { shown.starts_with(wanted) };
        assert!(matches, "for\n{text}\nwanted\n{wanted}\ngot\n{shown}");
    }
}

#[test]
fn a_good_text_is_read_and_keeps_its_places() {
    let text = "schema = 1\n[regions.a]\ncontext = \"x\"\n";
    let file: File = parse_toml("c.toml", text).unwrap();
    let span = file.regions["a"].context.span();
    assert_eq!(place(text, span.start), (3, 11));
    let problem = Problem::at("c.toml", text, span, "no such context").among(["y", "xx"]);
    assert_eq!((problem.word.as_str(), problem.nearest.as_deref()), ("x", Some("xx")));
}

#[test]
fn the_nearest_word() {
    let known = ["namespaces", "context", "kubeconfig", "controller", "checkpoints", "database", "dns", "up", "down"];
    let table = [
        ("namspaces", Some("namespaces")),
        ("Name-Spaces", Some("namespaces")),
        ("contxet", Some("context")),
        ("kube_config", Some("kubeconfig")),
        ("check", Some("checkpoints")),
        ("dsn", Some("dns")),
        ("dwon", Some("down")),
        ("upp", Some("up")),
        ("zz", None),
        ("x", None),
        ("", None),
        ("entirely-different", None),
    ];
    for (word, wanted) in table {
        assert_eq!(nearest(word, known), wanted, "{word}");
    }
    assert_eq!(nearest(&"a".repeat(100_000), known), None);
}

#[test]
fn a_source_line_shows_no_password() {
    let table = [
        "url = \"postgres://leeward:hunter2@db/argo\"\nbad = 1",
        "bad = \"postgres://leeward:hunter2@db/argo\"",
        "bad = \"postgres://leeward:hun/ter2hunter2@db/argo\"",
        "bad = { url = \"https://u:hunter2@h/\", password = \"hunter2\" }",
        "password = \"hunter2\"",
        "database.operator-password = 'hunter2'",
        "schema = 1\nrouting_key = \"hunter2\"",
        "schema = \"postgres://u:hunter2@h/db\"",
        "schema = { secret = \"hunter2\" }",
        "schema = 1\nregions = { secret = \"hunter2\" }",
        "bad = \"postgres://db/argo?sslmode=require&password=hunter2&x=1\"",
        "kind = \"postgres://db/argo?password=hunter2\"",
        "kind = \"postgres://u:hunter2@h/db\"",
    ];
    for text in table {
        let problem = problem(text);
        let shown = format!("{problem} {problem:?}");
        assert!(!shown.contains("hunter2"), "for {text}: {shown}");
    }
    let kept = problem("password_file = \"/run/secrets/a\"").to_string();
    assert!(kept.contains("/run/secrets/a"), "{kept}");
}

#[test]
fn hostile_texts_stay_printable_and_bounded() {
    let escape = problem("schema = 1\n\"a\\u001b[2Jb\" = 1\n").to_string();
    assert!(!escape.contains('\u{1b}'), "{escape}");
    let bidi = problem("schema = 1\n\"a\u{202e}b\" = 1\n").to_string();
    assert!(!bidi.contains('\u{202e}'), "{bidi}");
    let long = format!("schema = 1\nrto = \"{}\" # {}\nkind = [\n", "x".repeat(40), "y".repeat(5000));
    assert!(problem(&long).to_string().len() < 1500);
    let far = format!("schema = 1\nregions = {{ {} = {{ context = 1 }} }}\n", "k".repeat(3000));
    let shown = problem(&far).to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[1].len() < 130 && lines[1].contains("context = 1"), "{shown}");
    assert_eq!(lines[1].find("1 }"), lines[2].find('^'), "{shown}");
    let big = parse_toml::<File>("c.toml", &"# x\n".repeat(TEXT_MAX / 4 + 1)).unwrap_err();
    assert!(big.to_string().contains("longer than 1024 KiB"), "{big}");
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let keys = vec!["a"; 100_000].join(".");
    for text in [format!("{keys} = 1"), format!("[{keys}]\nb = 1"), format!("a = {}", "[".repeat(100_000))] {
        let _ = problem(&text).to_string();
    }
}

#[test]
fn the_caret_stands_under_the_word_after_tabs_and_wide_letters() {
    let shown = problem("schema = 1\n\trto = 5\n").to_string();
    assert!(shown.ends_with("2 |  rto = 5\n   |        ^"), "{shown}");
    let wide = problem("schema = 1\nregions.\"東京\".context = 5\n").to_string();
    assert!(wide.ends_with(&format!("\n   | {}^", " ".repeat(25))), "{wide}");
}

#[test]
fn spans_outside_the_text_are_no_panic() {
    #[allow(clippy::reversed_empty_ranges, reason = "the wrong span is what is tested")]
    for span in [0..0, 3..999, 999..1000, 2..1, 1..2] {
        let problem = Problem::at("f", "aé\r\nb", span, "m");
        assert!(problem.line >= 1 && !problem.to_string().is_empty());
    }
    assert_eq!(Problem::new("--set", "bad path").to_string(), "--set: bad path");
}
