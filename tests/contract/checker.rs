//! Checks documents against the schemas in `schemas/`.
//!
//! Stands on its own, so that another test binary can include it by path and check what the
//! project's client sent.

use serde_json::Value;

macro_rules! schemas {
    ($($name:literal)*) => {
        const SCHEMAS: &[(&str, &str)] = &[$(($name, include_str!(concat!("schemas/", $name, ".json"))),)*];
    };
}

schemas! {
    "accounts" "comp_sets" "create_request" "error" "job" "job_list" "market_survey" "token" "token_error"
}

fn schema(name: &str) -> Value {
    let (_, text) = SCHEMAS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a schema of that name");
    serde_json::from_str(text).expect("the schema is JSON")
}

/// Everything that is wrong with a document, as `path: message`.
pub fn faults(name: &str, document: &Value) -> Vec<String> {
    let registry = jsonschema::Registry::new()
        .add("urn:aptiqd:contract:job", schema("job"))
        .and_then(|registry| registry.prepare())
        .expect("the job's schema can be registered");
    let validator = jsonschema::options()
        .offline()
        .with_registry(&registry)
        .build(&schema(name))
        .expect("the schema is a valid one");
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Panics with everything that is wrong with a document.
pub fn check(name: &str, document: &Value) {
    let faults = faults(name, document);
    assert!(
        faults.is_empty(),
        "not a `{name}`:\n{}\n{document:#}",
        faults.join("\n")
    );
}

/// Checks every create that a sandbox's state document has recorded; returns how many there were.
pub fn check_recorded_creates(state: &Value) -> usize {
    let log = state["requests_log"].as_array().expect("a log of requests");
    let creates = log.iter().filter(|request| request["endpoint"] == "create");
    creates
        .inspect(|request| check("create_request", &request["body"]))
        .count()
}
