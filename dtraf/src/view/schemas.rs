//! The published schemas, held against what is printed.

use serde_json::Value;

/// Demands that a schema describes a document: what the one does not name the other does not have, and what it names is there.
pub(super) fn describes(schema: &str, text: &str) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    // Each field is demanded, at every depth, and no other is allowed.
    for pointer in objects(&document, "") {
        let mut strange = document.clone();
        let object = strange.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
        let names: Vec<String> = object.keys().cloned().collect();
        object.insert("strange".to_owned(), Value::Null);
        assert!(!validator.is_valid(&strange), "{pointer} may have more");
        for name in names {
            let mut poorer = document.clone();
            poorer.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&name);
            assert!(!validator.is_valid(&poorer), "{pointer} need not have {name}");
        }
    }
    document
}

pub(super) fn is_described(schema: &str, document: &Value) -> bool {
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap().is_valid(document)
}

/// Where objects are in it.
fn objects(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let below = fields.iter().flat_map(|(name, value)| objects(value, &format!("{at}/{name}")));
            std::iter::once(at.to_owned()).chain(below).collect()
        }
        Value::Array(values) => {
            let below = values.iter().enumerate();
            below.flat_map(|(number, value)| objects(value, &format!("{at}/{number}"))).collect()
        }
        _ => Vec::new(),
    }
}
