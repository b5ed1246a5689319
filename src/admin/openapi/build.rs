//! The document, built from the table.

use super::super::view;
use super::table::{Answer, Operation, operations};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Two generators: what is read has defaults, what is written is whole.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Schemas {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Schemas {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    fn into_components(mut self) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        for (name, schema) in self.read.take_definitions(true) {
            let known = all.insert(name.clone(), schema.clone());
            assert!(
                known.is_none_or(|known| known == schema),
                "two schemas are named {name}"
            );
        }
        all
    }
}

pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.written.subschema_for::<view::Problem>().to_value();
    let mut paths = Map::new();
    for operation in operations() {
        let described = describe(&operation, &mut schemas);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "aptiqd admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Served on the admin socket (guarded by its file mode) and on admin.listen. Errors are \
                RFC 9457 problem documents. A POST may carry an Idempotency-Key: the same key with the same request \
                is answered as the first time (marked Idempotency-Replayed: true) and not carried out again, for 24 \
                hours or until the daemon restarts; with another request it is refused with 422, while the first is \
                still being carried out with 409. Fields are only ever added to a document; a change of meaning is \
                a new number in its `schema`.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "security": [{}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "responses": {"problem": {
                "description": "A problem document",
                "content": {"application/problem+json": {"schema": problem}},
            }},
            "securitySchemes": {"bearer": {
                "type": "http", "scheme": "bearer",
                "description": "Over TCP, where admin.token_file is set: its content",
            }},
        },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters(operation, schemas),
        "responses": responses(operation, schemas),
    });
    if let Some((body, required)) = operation.body {
        described["requestBody"] = json!({
            "required": required,
            "content": {"application/json": {"schema": body(&mut schemas.read).to_value()}},
        });
    }
    described
}

fn parameters(operation: &Operation, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in operation.path.split(['{', '}']).skip(1).step_by(2) {
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": path_schema(name),
        }));
    }
    if let Some(query) = operation.query {
        let schema = query(&mut schemas.read).to_value();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            parameters.push(query_parameter(name, schema));
        }
    }
    if matches!(operation.answer, Answer::Events(_)) {
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header", "required": false,
            "description": "The sequence of the last event seen",
            "schema": {"type": "integer", "minimum": 0},
        }));
    }
    if operation.method == "post" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes it safe to send the request again, within a day and until the daemon restarts",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }));
    }
    parameters
}

fn path_schema(name: &str) -> Value {
    match name {
        "schedule" => json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}),
        "property" => json!({"type": "integer", "format": "int64"}),
        _ => json!({"type": "string", "minLength": 1}),
    }
}

/// A parameter is there or not; it is never null.
fn query_parameter(name: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let description = schema
        .as_object_mut()
        .and_then(|fields| fields.remove("description"));
    if let Some(Value::Array(types)) = schema.get("type") {
        schema["type"] = types[0].clone();
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        schema = choices[0].clone();
    }
    let mut parameter = json!({"name": name, "in": "query", "required": false, "schema": schema});
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Value {
    let content = match operation.answer {
        Answer::Document(schema) => {
            json!({"application/json": {"schema": schema(&mut schemas.written).to_value()}})
        }
        Answer::Text(kind) => json!({kind: {"schema": {"type": "string"}}}),
        Answer::Events(schema) => json!({
            "application/json": {"schema": schema(&mut schemas.written).to_value()},
            "text/event-stream": {"schema": {"type": "string"}},
        }),
    };
    let mut responses = json!({"200": {"description": "Done", "content": content}});
    if operation.id == "ready" {
        responses["503"] = responses["200"].clone();
        responses["503"]["description"] = "Not ready, and why".into();
    }
    let anywhere: &[u16] = match operation.method {
        "post" => &[400, 401, 403, 408, 413, 415, 500, 503],
        _ => &[400, 401, 403],
    };
    for status in operation.refusals.iter().chain(anywhere) {
        responses[status.to_string()] = json!({"$ref": "#/components/responses/problem"});
    }
    responses
}
