//! The rules of the layout, read from the source itself: data rises, imports fall; what is pure stays pure; nothing panics,
//! nothing prints; files and functions stay small. Every check proves itself on an example that breaks it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

/// A module imports only modules of a lower rank; those of one rank do not know each other.
const RANKS: &[(&str, u8)] = &[
    ("domain", 0),
    ("gates", 1),
    ("playbook", 2),
    ("doctor", 2),
    ("lint", 2),
    ("console", 3),
    ("journal", 3),
    ("ui", 4),
    ("runner", 4),
    ("adapters", 4),
    ("settings", 4),
    ("sandbox", 4),
    ("report", 4),
    ("session", 5),
    ("cli", 6),
];

/// No clock, no file, no socket, no task: time and facts are inputs.
const PURE: &[&str] = &["domain", "gates", "playbook", "console", "ui", "doctor", "lint"];

/// What a pure module may not name.
const IMPURE: &[&str] = &[
    "async",
    ".await",
    "tokio",
    "futures_util",
    "Timestamp::now",
    "Zoned::now",
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "rustix",
    "reqwest",
    "sqlx",
    "kube",
];

/// Addresses are values; everything else of `std::net` is a socket.
const NET_VALUES: &[&str] = &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "AddrParseError"];

const PANICS: &[&str] = &[
    ".unwrap()",
    ".expect(",
    ".unwrap_err()",
    ".expect_err(",
    "panic!",
    "todo!",
    "unimplemented!",
    "unreachable!",
    "dbg!",
];

const PRINTS: &[&str] = &["println!", "eprintln!", "print!", "eprint!"];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may panic, each with its reason.
const PANICKING: &[(&str, &str)] =
    &[("session/mishap.rs", "panics on request, for the tests of what a panic leaves behind; debug builds only")];

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Files with a function that may be longer, each with its reason.
const LONG_FUNCTIONS: &[(&str, &str)] = &[("sandbox/kube/columns.rs", "a table of data, one column a line")];

/// A file of the crate.
struct File {
    /// Below `src/`.
    path: String,
    /// Its lines, comments included.
    lines: usize,
    /// It holds nothing but tests.
    test: bool,
    /// Its code: comments, texts and tests are blanks.
    code: String,
}

impl File {
    fn new(path: &str, text: &str, test: bool) -> File {
        let code = without_tests(&without_words(text));
        File { path: path.to_owned(), lines: text.lines().count(), test, code }
    }

    /// The top module.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// How many modules deep it stands below the crate.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    fn line(&self, place: usize) -> usize {
        self.code[..place].matches('\n').count() + 1
    }

    fn found(&self, place: usize, what: &str) -> String {
        format!("src/{}:{}: {what}", self.path, self.line(place))
    }
}

/// The text with comments and the contents of texts and characters blanked, lines kept.
fn without_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut i = 0;
    while i < bytes.len() {
        let end = match bytes[i] {
            b'/' if bytes.get(i + 1) == Some(&b'/') => text[i..].find('\n').map_or(bytes.len(), |n| i + n),
            b'/' if bytes.get(i + 1) == Some(&b'*') => text[i..].find("*/").map_or(bytes.len(), |n| i + n + 2),
            b'"' => end_of_text(bytes, i),
            b'r' if raw_hashes(bytes, i).is_some() => {
                let hashes = raw_hashes(bytes, i).unwrap_or(0);
                let close = format!("\"{}", "#".repeat(hashes));
                let from = i + hashes + 2;
                text[from..].find(&close).map_or(bytes.len(), |n| from + n + close.len())
            }
            b'\'' => end_of_char(bytes, i),
            _ => i + 1,
        };
        if end > i + 1 {
            out[i..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        }
        i = end.max(i + 1);
    }
    String::from_utf8(out).unwrap()
}

fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() && bytes[i] != b'"' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

/// `r"` or `r#"`, not the end of a name and not a raw name.
fn raw_hashes(bytes: &[u8], start: usize) -> Option<usize> {
    let in_name = start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'_');
    let in_name = in_name && bytes[start - 1] != b'b';
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    (!in_name && bytes.get(start + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

/// A character, or a lifetime, which has no end.
fn end_of_char(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes[start + 3..].iter().position(|b| *b == b'\'');
        return close.map_or(start + 1, |n| start + 3 + n + 1);
    }
    let length = (2..=5).find(|n| bytes.get(start + n) == Some(&b'\''));
    let plain = |n: usize| n == 2 || !bytes[start + 1].is_ascii();
    length.filter(|n| plain(*n)).map_or(start + 1, |n| start + n + 1)
}

/// The place after the bracket that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && byte == b'}' {
            return i + 1;
        }
    }
    code.len()
}

/// The item behind an attribute: up to its semicolon or its closing bracket.
fn end_of_item(code: &str, from: usize) -> usize {
    match code[from..].find([';', '{']).map(|n| from + n) {
        Some(at) if code.as_bytes()[at] == b'{' => closing(code, at),
        Some(at) => at + 1,
        None => code.len(),
    }
}

fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let end = end_of_item(&out, start);
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Modules that are declared for tests only, as paths without `.rs`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let code = without_words(text);
    let folder = match path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")) {
        Some("lib" | "main") | None => String::new(),
        Some(module) => format!("{module}/"),
    };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find("#[cfg(test)]").map(|n| from + n) {
        let end = end_of_item(&code, start);
        let item = code[start + "#[cfg(test)]".len()..end].trim();
        if let Some(name) = item.strip_suffix(';').and_then(|item| item.rsplit("mod ").next()) {
            found.push(format!("{folder}{}", name.trim()));
        }
        from = end;
    }
    found
}

/// Places of a word that is no part of a longer name.
fn words(code: &str, word: &str) -> Vec<usize> {
    let name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole = |place: &usize| {
        let starts = !word.starts_with(|c: char| c.is_alphanumeric()) || !name(code[..*place].chars().next_back());
        let ends = !word.ends_with(|c: char| c.is_alphanumeric()) || !name(code[place + word.len()..].chars().next());
        starts && ends
    };
    code.match_indices(word).map(|(place, _)| place).filter(whole).collect()
}

/// First names of what follows a path: `a` of `a::b`, and each of `{a::b, c}`.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !rest.trim_start().starts_with('{') {
        return vec![name(rest)];
    }
    let open = rest.find('{').unwrap_or(0);
    let inside = &rest[open + 1..closing(rest, open).saturating_sub(1).max(open + 1)];
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(name(&inside[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(name(&inside[start..]));
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// Top modules that the file names, with the place.
fn imports(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for place in words(&file.code, "crate::") {
        found.extend(heads(&file.code[place + "crate::".len()..]).into_iter().map(|head| (place, head)));
    }
    let up = "super::".repeat(file.depth());
    for place in words(&file.code, &up) {
        let rest = &file.code[place + up.len()..];
        if !file.code[..place].ends_with("super::") && !rest.starts_with("super::") {
            found.extend(heads(rest).into_iter().map(|head| (place, head)));
        }
    }
    found
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

fn rising(file: &File) -> Vec<String> {
    let module = file.module();
    if ["lib", "main"].contains(&module) {
        return Vec::new();
    }
    let Some(own) = rank(module) else { return vec![format!("src/{}: {module} has no rank", file.path)] };
    let rises = |(place, other): (usize, String)| {
        let theirs = rank(&other)?;
        (other != module && theirs >= own).then(|| file.found(place, &format!("{module} imports {other}")))
    };
    imports(file).into_iter().filter_map(rises).collect()
}

fn impure(file: &File) -> Vec<String> {
    if !PURE.contains(&file.module()) {
        return Vec::new();
    }
    let mut found: Vec<String> = Vec::new();
    for word in IMPURE {
        found.extend(words(&file.code, word).into_iter().map(|place| file.found(place, word)));
    }
    for place in words(&file.code, "std::net::") {
        let sockets = heads(&file.code[place + "std::net::".len()..]);
        let sockets = sockets.into_iter().filter(|name| !NET_VALUES.contains(&name.as_str()));
        found.extend(sockets.map(|name| file.found(place, &format!("std::net::{name}"))));
    }
    for place in words(&file.code, "std::{") {
        let modules = ["fs", "net", "process", "env", "thread"];
        let named = heads(&file.code[place + "std::".len()..]);
        let named = named.into_iter().filter(|name| modules.contains(&name.as_str()));
        found.extend(named.map(|name| file.found(place, &format!("std::{name}"))));
    }
    found
}

fn panics(file: &File) -> Vec<String> {
    if PANICKING.iter().any(|(path, _)| *path == file.path) {
        return Vec::new();
    }
    let places = PANICS.iter().flat_map(|word| words(&file.code, word).into_iter().map(move |place| (place, *word)));
    // A method `expect` without a message is somebody else's, such as a playbook's expected time.
    let places = places.filter(|(place, word)| *word != ".expect(" || !file.code[*place..].starts_with(".expect()"));
    places.map(|(place, word)| file.found(place, word)).collect()
}

/// Places outside `playbook::run` that change a run past `apply`.
fn changed_runs(file: &File) -> Vec<String> {
    const CHANGES: [&str; 6] = [".clone_from", ".push", ".insert", ".extend", ".clear", ".take"];
    // Below the playbooks, and in the adapters, a run is a workflow's.
    let workflows = ["domain", "adapters", "sandbox"].contains(&file.module());
    if workflows || file.path.starts_with("playbook/run") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for place in words(&file.code, "run.") {
        let rest = &file.code[place + "run".len()..];
        let path = rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).count();
        let (path, after) = rest.split_at(path);
        let after = after.trim_start();
        let assigned = ["=", "+=", "-="].iter().any(|sign| after.starts_with(sign)) && !after.starts_with("==");
        let changed = after.starts_with('(') && CHANGES.iter().any(|change| path.ends_with(change));
        if (assigned && !after.starts_with("=>")) || changed {
            found.push(file.found(place, "a run is changed by apply alone"));
        }
    }
    found
}

fn prints(file: &File) -> Vec<String> {
    if file.module() == "cli" {
        return Vec::new();
    }
    let places = PRINTS.iter().flat_map(|word| words(&file.code, word).into_iter().map(move |place| (place, *word)));
    places.map(|(place, word)| file.found(place, word)).collect()
}

fn long(file: &File) -> Vec<String> {
    let allowed = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    if file.lines > FILE_LINES_MAX && !allowed {
        return vec![format!("src/{}: {} lines", file.path, file.lines)];
    }
    Vec::new()
}

fn long_functions(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    if LONG_FUNCTIONS.iter().any(|(path, _)| *path == file.path) {
        return found;
    }
    for place in words(&file.code, "fn") {
        let Some(at) = file.code[place..].find([';', '{']).map(|n| place + n) else { continue };
        if file.code.as_bytes()[at] == b';' {
            continue;
        }
        // Lines of code, as clippy counts them: neither blanks nor comments, nor the brackets' own.
        let body = file.code[at..closing(&file.code, at)].lines();
        let lines = body.filter(|line| !line.trim().is_empty()).count().saturating_sub(2);
        if lines > FUNCTION_LINES_MAX {
            found.push(file.found(place, &format!("a function of {lines} lines")));
        }
    }
    found
}

fn read(folder: &Path, prefix: &str, texts: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            read(&path, &format!("{prefix}{name}/"), texts);
        } else if name.ends_with(".rs") {
            texts.push((format!("{prefix}{name}"), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn files() -> Vec<File> {
    let mut texts = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut texts);
    let tests: BTreeSet<String> = texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &str| {
        tests.iter().any(|module| path == format!("{module}.rs") || path.starts_with(&format!("{module}/")))
    };
    texts.iter().map(|(path, text)| File::new(path, text, is_test(path))).collect()
}

fn keep(check: fn(&File) -> Vec<String>, tests_too: bool) {
    let found: Vec<String> = files().iter().filter(|file| tests_too || !file.test).flat_map(check).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn imports_fall() {
    keep(rising, true);
}

#[test]
fn what_is_pure_has_no_clock_file_socket_or_task() {
    keep(impure, false);
}

#[test]
fn nothing_panics() {
    keep(panics, false);
}

#[test]
fn a_run_is_changed_by_its_records_alone() {
    keep(changed_runs, false);
}

#[test]
fn nothing_prints_outside_the_command_line() {
    keep(prints, false);
}

#[test]
fn files_and_functions_are_small() {
    keep(long, false);
    keep(long_functions, false);
}

#[test]
fn the_source_was_found_and_every_module_has_a_rank() {
    let files = files();
    assert!(files.iter().filter(|file| !file.test).count() > 50);
    assert!(files.iter().any(|file| file.test && file.path == "domain/fixtures.rs"));
    for (long, reason) in LONG_FILES.iter().chain(LONG_FUNCTIONS) {
        assert!(!reason.is_empty() && files.iter().any(|file| file.path == *long), "{long} is not there any more");
    }
}

/// What a check says of an example.
fn says(check: fn(&File) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    check(&File::new(path, text, false))
}

#[test]
fn a_rising_import_is_found_however_it_is_written() {
    for text in [
        "use crate::runner::Driver;",
        "use crate::{domain::Timestamp, runner::{Driver, World}};",
        "fn f() -> crate::runner::News { x }",
        "use super::super::runner::News;",
        "pub(in crate::runner) fn f() {}",
    ] {
        assert_eq!(
            says(rising, "console/state.rs", text),
            ["src/console/state.rs:1: console imports runner"],
            "{text}"
        );
    }
    assert_eq!(
        says(rising, "report/mod.rs", "use super::runner::News;"),
        ["src/report/mod.rs:1: report imports runner"]
    );
    assert_eq!(says(rising, "ui/a/b.rs", "\nuse crate::adapters::x;").len(), 1, "one rank");
    assert_eq!(says(rising, "novel/mod.rs", ""), ["src/novel/mod.rs: novel has no rank"]);
    for fine in [
        "use crate::domain::Timestamp;",
        "use super::super::domain::Timestamp;",
        "use super::runner::x;",
        "// use crate::runner::Driver;",
        "const A: &str = \"crate::runner::Driver\";",
        "const A: &str = r#\"crate::runner::\"Driver\"#;",
        "use crate::console::keymap;",
    ] {
        assert_eq!(says(rising, "console/state.rs", fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn impurity_is_found() {
    for text in [
        "async fn f() {}",
        "fn f() { g().await; }",
        "use tokio::time::sleep;",
        "let now = Timestamp::now();",
        "let now = jiff::Zoned::now();",
        "std::time::Instant::now()",
        "std::time::SystemTime::now()",
        "use std::fs::File;",
        "use std::{collections::BTreeMap, fs};",
        "use std::net::TcpStream;",
        "use std::net::{IpAddr, UdpSocket};",
        "std::process::exit(1)",
        "std::env::var(\"HOME\")",
        "std::thread::sleep(x)",
    ] {
        assert_eq!(says(impure, "gates/old.rs", text).len(), 1, "{text}");
        assert_eq!(says(impure, "adapters/old.rs", text).len(), 0, "adapters may: {text}");
    }
    for fine in ["use std::net::IpAddr;", "use std::net::{IpAddr, Ipv4Addr};", "let asynchronous = 1;", "// tokio"] {
        assert_eq!(says(impure, "gates/old.rs", fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn panics_and_prints_are_found_and_tests_are_exempt() {
    for text in ["x.unwrap();", "x.expect(\"y\");", "panic!(\"y\")", "todo!()", "unimplemented!()", "dbg!(x)"] {
        assert_eq!(says(panics, "cli/mod.rs", text).len(), 1, "{text}");
        let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ fn g() {{ {text} }} }}\nfn h() {{ {text} }}");
        assert_eq!(says(panics, "cli/mod.rs", &tested).len(), 1, "only the one after the tests: {text}");
    }
    for fine in [
        "playbook.expect()",
        "x.unwrap_or(y)",
        "x.unwrap_or_else(f)",
        "// .unwrap()",
        "\"panic!\"",
        "std::panic::catch_unwind(f)",
    ] {
        assert_eq!(says(panics, "cli/mod.rs", fine), Vec::<String>::new(), "{fine}");
    }
    assert_eq!(says(prints, "ui/mod.rs", "fn f() {\n    println!(\"{}\", 'x');\n}"), ["src/ui/mod.rs:2: println!"]);
    assert_eq!(says(prints, "ui/mod.rs", "eprint!(\"x\")").len(), 1);
    assert_eq!(says(prints, "cli/status.rs", "println!()"), Vec::<String>::new());
    assert_eq!(says(prints, "ui/mod.rs", "write!(out, \"println!\")"), Vec::<String>::new());
}

#[test]
fn a_changed_run_is_found() {
    for code in ["self.run.driver.clone_from(&by);", "run.ended = None;", "self.run.steps.push(s)", "run.resumed += 1"]
    {
        let text = format!("fn f() {{ {code} }}");
        assert_eq!(says(changed_runs, "runner/drive.rs", &text).len(), 1, "{code}");
        assert!(says(changed_runs, "playbook/run/apply.rs", &text).is_empty());
    }
    for code in ["if run.ended == None {}", "match x { y if run.ended.is_some() => 1 }", "run.apply(&record)"] {
        assert!(says(changed_runs, "runner/drive.rs", &format!("fn f() {{ {code} }}")).is_empty(), "{code}");
    }
}

#[test]
fn long_files_and_functions_are_found() {
    assert_eq!(says(long, "ui/x.rs", &"\n".repeat(401)), ["src/ui/x.rs: 401 lines"]);
    assert_eq!(says(long, "ui/x.rs", &"\n".repeat(400)), Vec::<String>::new());
    let function = |lines: usize| format!("\nfn f() {{\n{}}}\n", "    x('}', \"{\", 'a');\n".repeat(lines));
    assert_eq!(says(long_functions, "ui/x.rs", &function(71)), ["src/ui/x.rs:2: a function of 71 lines"]);
    assert_eq!(says(long_functions, "ui/x.rs", &function(70)), Vec::<String>::new());
    assert_eq!(says(long_functions, "ui/x.rs", "trait T { fn f(&self); }"), Vec::<String>::new());
}

#[test]
fn modules_for_tests_are_told_from_the_rest() {
    let text = "pub mod a;\n#[cfg(test)]\npub mod fixtures;\n#[cfg(test)]\nmod tests;\n";
    assert_eq!(test_modules("domain/mod.rs", text), ["domain/fixtures", "domain/tests"]);
    assert_eq!(test_modules("domain/fixtures.rs", "#[cfg(test)]\nmod tests;"), ["domain/fixtures/tests"]);
    assert_eq!(test_modules("lib.rs", "#[cfg(test)]\nmod bench;"), ["bench"]);
}
