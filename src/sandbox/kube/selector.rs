//! Label and field selectors: their grammar and what they match. Pure. Source: k8s.io/apimachinery pkg/labels and
//! pkg/fields.

use serde::Deserialize;

use super::{kinds::Kind, store::Stored};

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text does not follow the grammar.
    #[error("unable to parse requirement: {0}")]
    Grammar(String),
    /// The server cannot select by this field.
    #[error("field label not supported: {0}")]
    Field(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// A label selector; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads `a=b,c in (d,e),!f` and its kin.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for part in split(text) {
            requirements.push(requirement(part.trim())?);
        }
        Ok(Self(requirements))
    }

    /// The selector of a `matchLabels`/`matchExpressions` object. An empty or absent one matches everything, as in a
    /// PodDisruptionBudget.
    pub fn from_object(selector: &serde_json::Value) -> Self {
        let mut requirements = Vec::new();
        if let Some(labels) = selector["matchLabels"].as_object() {
            for (key, value) in labels {
                let value = value.as_str().unwrap_or("").to_owned();
                requirements.push(Requirement { key: key.clone(), test: Test::In(vec![value]) });
            }
        }
        for expression in selector["matchExpressions"].as_array().map_or(&[][..], Vec::as_slice) {
            let values = expression["values"].as_array().map_or_else(Vec::new, |values| {
                values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
            });
            let test = match expression["operator"].as_str() {
                Some("In") => Test::In(values),
                Some("NotIn") => Test::NotIn(values),
                Some("Exists") => Test::Exists,
                _ => Test::Absent,
            };
            requirements.push(Requirement { key: expression["key"].as_str().unwrap_or("").to_owned(), test });
        }
        Self(requirements)
    }

    /// Whether an object's labels satisfy every requirement.
    pub fn matches(&self, object: &Stored) -> bool {
        self.0.iter().all(|requirement| {
            let value = object.label(&requirement.key);
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::Above(bound) => number().is_some_and(|number| number > *bound),
                Test::Below(bound) => number().is_some_and(|number| number < *bound),
            }
        })
    }
}

/// Splits at the commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(&text[from..]);
    }
    parts
}

fn requirement(part: &str) -> Result<Requirement, SelectorError> {
    let wrong = || SelectorError::Grammar(format!("invalid requirement '{part}'"));
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement { key: self::key(key.trim()).ok_or_else(wrong)?, test: Test::Absent });
    }
    if let Some((left, set)) = part.split_once('(') {
        let values = set.trim_end().strip_suffix(')').ok_or_else(wrong)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = left.trim().rsplit_once(char::is_whitespace).ok_or_else(wrong)?;
        let test = match operator {
            "in" => Test::In(values),
            "notin" => Test::NotIn(values),
            _ => return Err(wrong()),
        };
        return Ok(Requirement { key: self::key(key.trim()).ok_or_else(wrong)?, test });
    }
    let Some(at) = part.find(['=', '!', '<', '>']) else {
        return Ok(Requirement { key: key(part).ok_or_else(wrong)?, test: Test::Exists });
    };
    let (left, rest) = part.split_at(at);
    let operator = ["==", "!=", "=", "<", ">"].into_iter().find(|one| rest.starts_with(one)).ok_or_else(wrong)?;
    let value = rest[operator.len()..].trim();
    if !value.chars().all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one)) || value.len() > 63 {
        return Err(wrong());
    }
    let test = match operator {
        "!=" => Test::NotIn(vec![value.to_owned()]),
        ">" => Test::Above(value.parse().map_err(|_| wrong())?),
        "<" => Test::Below(value.parse().map_err(|_| wrong())?),
        _ => Test::In(vec![value.to_owned()]),
    };
    Ok(Requirement { key: key(left.trim()).ok_or_else(wrong)?, test })
}

fn key(text: &str) -> Option<String> {
    let fine = !text.is_empty()
        && text.len() <= 317
        && text.chars().all(|one| one.is_ascii_alphanumeric() || "-_./".contains(one));
    fine.then(|| text.to_owned())
}

/// A field selector; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(String, bool, String)>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodFields {
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    node_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    phase: String,
}

impl FieldSelector {
    /// Reads `metadata.name=x,spec.nodeName!=y`; refuses fields that the real server does not index for this kind.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, SelectorError> {
        let mut tests = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(SelectorError::Grammar(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            let pod = kind == Kind::Pod && matches!(field, "spec.nodeName" | "status.phase");
            if !pod && !matches!(field, "metadata.name" | "metadata.namespace") {
                return Err(SelectorError::Field(field.to_owned()));
            }
            tests.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(Self(tests))
    }

    /// The same, and the object has this name.
    #[must_use]
    pub fn and_name(mut self, name: &str) -> Self {
        self.0.push(("metadata.name".to_owned(), true, name.to_owned()));
        self
    }

    /// Whether an object satisfies every test.
    pub fn matches(&self, object: &Stored) -> bool {
        self.0.iter().all(|(field, equal, value)| {
            let same = match field.as_str() {
                "metadata.name" => object.name() == value,
                "metadata.namespace" => object.namespace() == value,
                field => {
                    let fields: PodFields = serde_json::from_slice(object.json()).unwrap_or_default();
                    let found = if field == "spec.nodeName" { fields.spec.node_name } else { fields.status.phase };
                    found == *value
                }
            };
            same == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Stored {
        let object = json!({"metadata": {"name": "p", "namespace": "ml", "labels": {"app": "x", "n": "7"}},
            "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}});
        Stored::new(Kind::Pod, &object, 1)
    }

    #[test]
    fn labels() {
        for (selector, expected) in [
            ("", true),
            ("app=x", true),
            ("app==x", true),
            ("app = x", true),
            ("app=y", false),
            ("app!=y", true),
            ("missing!=y", true),
            ("app in (x, y)", true),
            ("app in (y)", false),
            ("app notin (y,z)", true),
            ("missing notin (y)", true),
            ("app", true),
            ("!app", false),
            ("!missing", true),
            ("n>6,n<8", true),
            ("n>7", false),
            ("app in (x,y),!workflows.argoproj.io/completed", true),
            ("app=", false),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap().matches(&pod()), expected, "{selector}");
        }
        for selector in ["a b", "a in x", "a in (x", "=x", "a=x y", "n>x", ",", "a,,b"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn objects() {
        let selector = json!({"matchLabels": {"app": "x"}, "matchExpressions": [
            {"key": "n", "operator": "In", "values": ["7", "8"]}, {"key": "gone", "operator": "DoesNotExist"}]});
        assert!(LabelSelector::from_object(&selector).matches(&pod()));
        assert!(!LabelSelector::from_object(&json!({"matchLabels": {"app": "z"}})).matches(&pod()));
    }

    #[test]
    fn fields() {
        for (selector, expected) in [
            ("metadata.name=p", true),
            ("metadata.name!=p", false),
            ("metadata.namespace=ml,spec.nodeName=node-1", true),
            ("spec.nodeName=node-2", false),
            ("status.phase!=Running", false),
        ] {
            assert_eq!(FieldSelector::parse(Kind::Pod, selector).unwrap().matches(&pod()), expected, "{selector}");
        }
        assert_eq!(
            FieldSelector::parse(Kind::Workflow, "status.phase=Running").unwrap_err(),
            SelectorError::Field("status.phase".to_owned())
        );
    }
}
