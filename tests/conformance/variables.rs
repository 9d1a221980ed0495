//! The file of variables: which servers, and how they are stopped and made new. Strict, since what follows destroys.
//!
//! The form is that of a shell's assignments, so that a script can print it with `printf '%s=%q\n'`; nothing is expanded.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use leeward::domain::problem::{Problem, nearest};

/// What has to stand in the file before anything is promoted.
const DESTROY: &str = "destroy this pair";

/// Every key, whether it must be there, and what it is.
const KEYS: [(&str, bool); 25] = [
    ("KUBECONFIG", true),
    ("A_NAME", false),
    ("A_CONTEXT", true),
    ("A_DATABASE_URL", true),
    ("A_OPERATOR_URL", true),
    ("A_METRICS", false),
    ("B_NAME", false),
    ("B_CONTEXT", true),
    ("B_DATABASE_URL", true),
    ("B_OPERATOR_URL", true),
    ("B_METRICS", false),
    ("CONTROLLER_NAMESPACE", false),
    ("CONTROLLER_DEPLOYMENT", false),
    ("CONTROLLER_LEASE", false),
    ("CANARY_NAMESPACE", true),
    ("CANARY_TEMPLATE", false),
    ("CANARY_IMAGE", false),
    ("CANARY_COMMAND", false),
    ("CANARY_SERVICE_ACCOUNT", false),
    ("REGION_DOWN", true),
    ("REGION_UP", true),
    ("RESET", true),
    ("VARIABLES_COMMAND", false),
    ("DESTROY", false),
    ("NAMED", false),
];

/// One region's servers.
#[derive(Clone)]
pub struct Place {
    pub name: String,
    pub context: String,
    pub database: String,
    pub operator: String,
    pub metrics: String,
}

/// The canary's part of the configuration.
#[derive(Clone)]
pub struct Canary {
    pub namespace: String,
    pub template: Option<String>,
    pub image: Option<String>,
    pub command: Vec<String>,
    pub service_account: Option<String>,
}

/// All of it.
#[derive(Clone)]
pub struct Variables {
    pub kubeconfig: PathBuf,
    pub a: Place,
    pub b: Place,
    pub controller_namespace: String,
    pub controller_deployment: String,
    pub controller_lease: String,
    pub canary: Canary,
    pub region_down: String,
    pub region_up: String,
    pub reset: String,
    pub may_destroy: bool,
    pub named: Option<PathBuf>,
    file: PathBuf,
}

type Values = BTreeMap<String, String>;

impl Variables {
    /// Reads the file, and what its `VARIABLES_COMMAND` prints.
    pub fn read(file: &std::path::Path) -> Result<Variables, Problem> {
        let name = file.display().to_string();
        let text =
            fs::read_to_string(file).map_err(|error| Problem::new(&name, format!("can not be read: {error}")))?;
        let mut values = assignments(&name, &text)?;
        if let Some(command) = values.get("VARIABLES_COMMAND").cloned() {
            let printed = output_of(&command).map_err(|why| Problem::new(&name, why))?;
            values.extend(assignments("VARIABLES_COMMAND", &printed)?);
        }
        checked(&name, &values, file.to_owned())
    }

    /// Reads everything again, after a reset.
    pub fn again(&self) -> Result<Variables, Problem> {
        Variables::read(&self.file)
    }
}

fn output_of(command: &str) -> Result<String, String> {
    let output = Command::new("sh").args(["-c", command]).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("VARIABLES_COMMAND ended with {}: {}", output.status, said.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| "VARIABLES_COMMAND printed something that is no text".to_owned())
}

fn checked(name: &str, values: &Values, file: PathBuf) -> Result<Variables, Problem> {
    let missing: Vec<&str> =
        KEYS.iter().filter(|(key, needed)| *needed && !values.contains_key(*key)).map(|(key, _)| *key).collect();
    if !missing.is_empty() {
        return Err(Problem::new(name, format!("missing: {}", missing.join(", "))));
    }
    let canary = ["CANARY_TEMPLATE", "CANARY_IMAGE"].map(|key| values.contains_key(key));
    if canary[0] == canary[1] {
        return Err(Problem::new(name, "either CANARY_TEMPLATE or CANARY_IMAGE has to be there, and not both"));
    }
    if values.get("DESTROY").is_some_and(|word| word != DESTROY) {
        return Err(Problem::new(name, format!("DESTROY has to be exactly \"{DESTROY}\", or not there")));
    }
    let get = |key: &str| values.get(key).cloned().unwrap_or_default();
    let or = |key: &str, default: &str| values.get(key).cloned().unwrap_or_else(|| default.to_owned());
    let place = |letter: &str| {
        let context = get(&format!("{letter}_CONTEXT"));
        Place {
            name: or(&format!("{letter}_NAME"), &context),
            context,
            database: get(&format!("{letter}_DATABASE_URL")),
            operator: get(&format!("{letter}_OPERATOR_URL")),
            metrics: or(&format!("{letter}_METRICS"), "auto"),
        }
    };
    Ok(Variables {
        kubeconfig: get("KUBECONFIG").into(),
        a: place("A"),
        b: place("B"),
        controller_namespace: or("CONTROLLER_NAMESPACE", "argo"),
        controller_deployment: or("CONTROLLER_DEPLOYMENT", "workflow-controller"),
        controller_lease: or("CONTROLLER_LEASE", "workflow-controller"),
        canary: Canary {
            namespace: get("CANARY_NAMESPACE"),
            template: values.get("CANARY_TEMPLATE").cloned(),
            image: values.get("CANARY_IMAGE").cloned(),
            command: get("CANARY_COMMAND").split_whitespace().map(str::to_owned).collect(),
            service_account: values.get("CANARY_SERVICE_ACCOUNT").cloned(),
        },
        region_down: get("REGION_DOWN"),
        region_up: get("REGION_UP"),
        reset: get("RESET"),
        may_destroy: values.contains_key("DESTROY"),
        named: values.get("NAMED").map(PathBuf::from),
        file,
    })
}

/// `KEY=VALUE` lines. A key that is not known, or stands twice, is wrong; so is a `$` that a shell would expand.
fn assignments(file: &str, text: &str) -> Result<Values, Problem> {
    let mut values = Values::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let whole = start..start + line.len();
        let body = line.strip_prefix("export ").map_or(line, str::trim_start);
        let Some((key, value)) = body.split_once('=') else {
            return Err(Problem::at(file, text, whole, "a line is KEY=VALUE"));
        };
        let begin = start + line.len() - body.len();
        let place = begin..begin + key.len();
        if !KEYS.iter().any(|(known, _)| *known == key) {
            let mut problem = Problem::at(file, text, place, format!("no variable is called {key}"));
            problem.nearest = nearest(key, KEYS.iter().map(|(known, _)| *known)).map(str::to_owned);
            return Err(problem);
        }
        let value = unquoted(value).map_err(|why| Problem::at(file, text, whole, format!("{key}: {why}")))?;
        if value.is_empty() {
            return Err(Problem::at(file, text, place, format!("{key} is empty")));
        }
        if values.insert(key.to_owned(), value).is_some() {
            return Err(Problem::at(file, text, place, format!("{key} stands twice")));
        }
    }
    Ok(values)
}

/// What a shell would make of one word, without expansions.
fn unquoted(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'', Some('\'')) | ('"', Some('"')) => quote = None,
            (c, Some('\'')) => out.push(c),
            ('$' | '`', _) => return Err("nothing is expanded here; put it into single quotes".to_owned()),
            ('\\', Some(_)) if !matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => out.push('\\'),
            ('\\', _) => out.push(chars.next().ok_or("it ends with a backslash")?),
            ('\'' | '"', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                let rest: String = chars.collect();
                let rest = rest.trim_start();
                return if rest.is_empty() || rest.starts_with('#') {
                    Ok(out)
                } else {
                    Err("a value with spaces needs quotes".to_owned())
                };
            }
            (c, _) => out.push(c),
        }
    }
    match quote {
        Some(_) => Err("a quote is not closed".to_owned()),
        None => Ok(out),
    }
}

mod tests {
    use super::*;

    fn minimal() -> String {
        let mut lines: Vec<String> =
            KEYS.iter().filter(|(_, needed)| *needed).map(|(key, _)| format!("{key}=x")).collect();
        lines.push("CANARY_IMAGE=y".to_owned());
        lines.join("\n")
    }

    fn read(text: &str) -> Result<Variables, Problem> {
        assignments("f", text).and_then(|values| checked("f", &values, PathBuf::new()))
    }

    #[test]
    fn the_example_reads() {
        let text = include_str!("example.env");
        let variables = read(text).unwrap_or_else(|problem| panic!("{problem}"));
        assert!(!variables.may_destroy, "the example must not promote anything as it stands");
    }

    #[test]
    fn words_are_read_as_a_shell_reads_them() {
        for (text, value) in [
            ("a", "a"),
            ("'a b $c'", "a b $c"),
            ("\"a b\"", "a b"),
            ("a\\ b\\?c", "a b?c"),
            ("\"a\\\"b\\n\"", "a\"b\\n"),
            ("a'b'\"c\"  # remark", "abc"),
        ] {
            assert_eq!(unquoted(text).as_deref(), Ok(value), "{text}");
        }
        for text in ["a b", "'a", "\"a", "a\\", "$HOME", "\"`id`\""] {
            assert!(unquoted(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, says) in [
            ("RESET=x", "RESTE=x", "did you mean \"RESET\""),
            ("RESET=x", "", "missing: RESET"),
            ("RESET=x", "RESET=x\nRESET=y", "stands twice"),
            ("RESET=x", "RESET=", "RESET is empty"),
            ("RESET=x", "RESET", "KEY=VALUE"),
            ("CANARY_IMAGE=y", "", "CANARY_TEMPLATE or CANARY_IMAGE"),
            ("CANARY_IMAGE=y", "CANARY_IMAGE=y\nCANARY_TEMPLATE=z", "not both"),
            ("RESET=x", "RESET=x\nDESTROY=yes", "has to be exactly"),
        ] {
            let problem = read(&minimal().replacen(from, to, 1)).err().unwrap_or_else(|| panic!("{to} was taken"));
            assert!(problem.to_string().contains(says), "{problem}");
        }
        assert!(read(&format!("{}\nexport DESTROY=\"destroy this pair\"", minimal())).unwrap().may_destroy);
    }
}
