//! Parameters: merging arguments with defaults and putting values into `{{…}}`. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::json::{items, text};

/// What a `{{…}}` may name, with its value.
pub type Scope = BTreeMap<String, String>;

/// The value of a parameter as text: Argo keeps numbers and booleans as text too.
pub fn value_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Puts values into every text of a tree. What is not in scope stays as it is.
pub fn substitute(value: &mut Value, scope: &Scope) {
    match value {
        Value::String(text) if text.contains("{{") => *text = fill(text, scope),
        Value::Array(list) => list.iter_mut().for_each(|item| substitute(item, scope)),
        Value::Object(fields) => fields.values_mut().for_each(|field| substitute(field, scope)),
        _ => {}
    }
}

fn fill(text: &str, scope: &Scope) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((key, tail)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match scope.get(key.trim()) {
            Some(value) => out.push_str(value),
            None => {
                out.push_str("{{");
                out.push_str(key);
                out.push_str("}}");
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The parameters of a template with their values: those of the call, else the defaults. An `Err` names the one that has
/// none.
pub fn inputs(template: &Value, arguments: &Value) -> Result<Vec<(String, String)>, String> {
    let mut values = Vec::new();
    for parameter in items(&template["inputs"]["parameters"]) {
        let name = text(&parameter["name"]);
        let given = items(&arguments["parameters"]).iter().find(|one| one["name"] == name);
        let value = given
            .and_then(|given| given.get("value"))
            .or_else(|| parameter.get("value"))
            .or_else(|| parameter.get("default"));
        match value {
            Some(value) => values.push((name.to_owned(), value_text(value))),
            None => return Err(format!("inputs.parameters.{name} was not supplied")),
        }
    }
    Ok(values)
}

/// The workflow's own arguments over those of its template, by name.
pub fn merge_arguments(template: &Value, workflow: &Value) -> Value {
    let mut parameters: Vec<Value> = items(&template["parameters"]).to_vec();
    for own in items(&workflow["parameters"]) {
        match parameters.iter_mut().find(|one| one["name"] == own["name"]) {
            Some(parameter) => *parameter = own.clone(),
            None => parameters.push(own.clone()),
        }
    }
    if parameters.is_empty() { json!({}) } else { json!({"parameters": parameters}) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling() {
        let scope = Scope::from([("a.b".to_owned(), "1".to_owned())]);
        for (before, after) in [
            ("{{a.b}}", "1"),
            ("x {{ a.b }} y", "x 1 y"),
            ("{{c}}", "{{c}}"),
            ("{{a.b", "{{a.b"),
            ("{{{{a.b}}", "{{{{a.b}}"),
        ] {
            assert_eq!(fill(before, &scope), after, "{before}");
        }
    }

    #[test]
    fn arguments_win_over_defaults() {
        let template = json!({"inputs": {"parameters": [{"name": "a", "default": 3}, {"name": "b", "value": "x"}]}});
        let call = json!({"parameters": [{"name": "b", "value": "y"}]});
        assert_eq!(
            inputs(&template, &call).unwrap(),
            [("a".to_owned(), "3".to_owned()), ("b".to_owned(), "y".to_owned())]
        );
        assert!(inputs(&json!({"inputs": {"parameters": [{"name": "c"}]}}), &call).unwrap_err().contains("c was not"));
        let merged = merge_arguments(
            &json!({"parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}),
            &json!({"parameters": [{"name": "b", "value": "3"}]}),
        );
        assert_eq!(merged["parameters"][1]["value"], "3");
    }
}
