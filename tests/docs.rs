//! The documents say what is so: every command in them parses, every example reads, and what repeats the program is made
//! from it. `UPDATE_DOCS=1 cargo test --test docs` writes the made parts anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use clap::error::ErrorKind;
use leeward::console::keymap::PRESETS;
use leeward::gates::{self, OverrideBy};
use leeward::playbook::kinds::WORDS;
use leeward::playbook::{builtin, consents, file};
use leeward::settings;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 4] = ["README.md", "docs/ARCHITECTURE.md", "docs/CONFIG.md", "docs/PLAYBOOKS.md"];

fn path(document: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(document)
}

fn text(document: &str) -> String {
    std::fs::read_to_string(path(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// What stands between two marks, or after the mark `<!-- checked: WORD -->` in its fence.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{from} is not there"));
    rest.split_once(to).unwrap_or_else(|| panic!("{to} is not there")).0
}

fn example(document: &str, word: &str) -> String {
    let text = text(document);
    let rest = between(&text, &format!("<!-- checked: {word} -->\n```toml\n"), "\n```");
    format!("{rest}\n")
}

/// A command, and whether it stands in a shell block, to be typed as it is.
struct Shown {
    words: String,
    whole: bool,
}

/// The commands of a document: lines of shell blocks and code in the text that begin with the program's name.
fn commands(text: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut block: Option<&str> = None;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language) };
        } else if block == Some("sh") {
            found.extend(command(line).map(|words| Shown { words, whole: true }));
        } else if block.is_none() {
            let named = line.split('`').skip(1).step_by(2).filter_map(command);
            found.extend(named.map(|words| Shown { words, whole: false }));
        }
    }
    found
}

/// The command alone, without a comment or a redirection.
fn command(line: &str) -> Option<String> {
    let line = line.split(" #").next()?.split([' ', '\t']).collect::<Vec<_>>();
    let words = line.iter().copied().take_while(|word| !word.starts_with(['<', '>', '|']));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    (words.first() == Some(&"leeward")).then(|| words.join(" "))
}

#[test]
fn every_command_parses() {
    let mut count = 0;
    for document in DOCUMENTS {
        for command in commands(&text(document)) {
            count += 1;
            let Err(error) = parse(&command.words) else { continue };
            // A name in the text may lack what a call needs; no word in it may be unknown.
            let lacks = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            assert!(lacks && !command.whole, "{document}: {}: {error}", command.words);
        }
    }
    assert!(count > 25, "only {count} commands were found: are they still looked for in the right way?");
    for wrong in ["leeward stauts", "leeward playbook plan", "leeward status --jsn"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

fn parse(command: &str) -> Result<(), clap::Error> {
    leeward::cli::command_line().try_get_matches_from(command.split(' ')).map(|_| ())
}

#[test]
fn every_file_that_is_named_is_there() {
    for document in DOCUMENTS {
        let text = text(document);
        let folder = path(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            assert!(
                link.is_empty() || link.starts_with("https://") || folder.join(link).exists(),
                "{document}: {link}"
            );
        }
        for code in text.split('`').skip(1).step_by(2) {
            let source = ["src/", "tests/", "docs/", "scripts/"].iter().any(|start| code.starts_with(start));
            assert!(!source || code.contains(' ') || path(code).exists(), "{document}: {code}");
        }
    }
}

#[test]
fn the_configuration_of_the_readme_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, example("README.md", "config")).unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let contexts = ["us-central1", "us-east1"].map(|name| format!("- {{name: {name}, context: {{cluster: c}}}}\n"));
    std::fs::write(&kubeconfig, format!("apiVersion: v1\nkind: Config\ncontexts:\n{}", contexts.concat())).unwrap();
    let environment = |name: &str| (name == "KUBECONFIG").then(|| kubeconfig.display().to_string());
    let loaded = settings::load(Some(&file), &[], &environment).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.settings.approval.break_glass && loaded.settings.dns.is_some() && loaded.settings.canary.is_some());
}

#[test]
fn the_examples_of_the_playbooks_read() {
    let playbook = file::read("example", &example("docs/PLAYBOOKS.md", "playbook")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(playbook.steps.len(), 3);
    let failover = builtin().unwrap().into_iter().find(|playbook| playbook.name == "failover").unwrap();
    let consents = consents::read("example", &example("docs/PLAYBOOKS.md", "consents"), &failover);
    let consents = consents.unwrap_or_else(|e| panic!("{e:?}"));
    // With this file, a failover asks nobody anything.
    let asking = failover.steps.iter().filter(|step| step.consent != leeward::playbook::consent::Tier::None);
    for step in asking {
        assert!(consents.step(&step.id).is_some(), "{} asks, and the example does not consent", step.id);
    }
}

#[test]
fn every_kind_of_step_is_told_of() {
    let text = text("docs/PLAYBOOKS.md");
    let table = between(&text, "<!-- checked: kinds -->\n", "\n\n");
    let told: BTreeSet<&str> = table.lines().skip(2).filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(told, WORDS.into_iter().collect());
}

#[test]
fn the_keys_of_the_readme_do_what_it_says() {
    let keymap: toml::Table = PRESETS[0].1.parse().unwrap();
    let means = |key: &str, action: &str| {
        let fits = |found: &str| found == action || action.strip_suffix('…').is_some_and(|a| found.starts_with(a));
        let mut sections = keymap.values().filter_map(toml::Value::as_table);
        sections.any(|section| section.get(key).and_then(toml::Value::as_str).is_some_and(fits))
    };
    let text = text("README.md");
    let mut count = 0;
    for row in between(&text, "| key | action | |\n|---|---|---|\n", "\n\n").lines() {
        let cells: Vec<Vec<&str>> =
            row.split('|').map(|cell| cell.split('`').skip(1).step_by(2).collect::<Vec<_>>()).collect();
        let (keys, actions) = (&cells[1], &cells[2]);
        for (i, key) in keys.iter().enumerate() {
            let action = actions.get(i).or(actions.last()).unwrap();
            assert!(means(key, action), "{row}: {key} is not {action}");
            count += 1;
        }
    }
    assert!(count > 15, "only {count} keys were found");
    assert!(!means("f", "quit"));
}

/// The made part of a document is what the program says.
fn made(document: &str, mark: &str, wanted: &str) {
    let old = text(document);
    let (from, to) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    if between(&old, &from, &to) == wanted {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "{document}: {mark} is old; UPDATE_DOCS=1 cargo test --test docs"
    );
    let (before, rest) = old.split_once(&from).unwrap();
    let (_, after) = rest.split_once(&to).unwrap();
    std::fs::write(path(document), format!("{before}{from}{wanted}{to}{after}")).unwrap();
}

#[test]
fn the_template_of_the_configuration_is_the_programs() {
    made("docs/CONFIG.md", "template", &format!("```toml\n{}\n```\n", settings::TEMPLATE.trim_end()));
}

#[test]
fn the_table_of_gates_is_the_programs() {
    let failover = builtin().unwrap();
    let mut table = "| gate | passes when | override | readiness | asked before |\n|---|---|---|---|---|\n".to_owned();
    for gate in gates::TABLE {
        let by = match gate.override_by {
            OverrideBy::Nobody => "nobody",
            OverrideBy::SecondPerson => "a second person",
            OverrideBy::Reason => "a reason",
        };
        let steps = failover.iter().flat_map(|playbook| &playbook.steps);
        let mut asked: Vec<&str> =
            steps.filter(|step| step.gates.iter().any(|id| id == gate.id)).map(|step| step.id.as_str()).collect();
        let mut seen = BTreeSet::new();
        asked.retain(|id| seen.insert(*id));
        let asked = match (gate.id == gates::RIGHT_SERVERS, asked.len()) {
            (true, _) => "every step".to_owned(),
            (_, 0) if gate.alarm.is_some() => "none; it alarms".to_owned(),
            (_, 0) => "none".to_owned(),
            (_, 1..=4) => asked.join(", "),
            (_, count) => format!("{count} steps"),
        };
        let readiness = if gate.readiness { "yes" } else { "" };
        table += &format!("| `{}` | {} | {by} | {readiness} | {asked} |\n", gate.id, gate.title);
    }
    made("docs/PLAYBOOKS.md", "gates", &table);
}
