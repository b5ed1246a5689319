//! The checked-in document is the one that the code describes, and what is served is in it.

use super::build;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn checked_in() -> Value {
    serde_json::from_str(super::DOCUMENT).expect("it is JSON")
}

/// `APTIQD_WRITE_OPENAPI=1 cargo test --lib openapi` writes the file anew.
#[test]
fn the_file_is_what_the_code_describes() {
    let built = build::document();
    if std::env::var_os("APTIQD_WRITE_OPENAPI").is_some() {
        let text = serde_json::to_string_pretty(&built).expect("JSON") + "\n";
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/openapi/openapi.json");
        std::fs::write(file, text).expect("the file can be written");
        return;
    }
    assert!(
        checked_in() == built,
        "openapi.json has drifted; APTIQD_WRITE_OPENAPI=1 cargo test --lib openapi writes it anew"
    );
}

/// The routes as the sources of the admin side declare them.
fn routes_in(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("openapi") {
            routes_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).expect("text");
            for call in source.split(".route(").skip(1) {
                let mut words = call.split('"');
                let (before, path) = (words.next(), words.next());
                let after = words
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches([',', ' ', '\n']);
                let method = after.split(['(', ':', '<']).next().unwrap_or_default();
                assert_eq!(
                    before.map(str::trim),
                    Some(""),
                    "a route without a literal path"
                );
                found.insert((path.unwrap_or_default().to_owned(), method.to_owned()));
            }
        }
    }
}

#[test]
fn every_served_route_is_in_the_document_and_no_other() {
    let mut served = BTreeSet::new();
    let admin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    routes_in(&admin, &mut served);
    assert!(served.len() > 20, "{served:?}");
    let document = checked_in();
    let paths = document["paths"].as_object().expect("paths");
    let described = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.keys().map(|method| (path.clone(), method.clone()))
    });
    assert_eq!(described.collect::<BTreeSet<_>>(), served);
}

#[test]
fn every_reference_leads_somewhere() {
    let document = checked_in();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a local reference");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                open.extend(fields.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
}
