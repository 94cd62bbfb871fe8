//! The keys of the JSON that the command line prints and writes.

use serde_json::Value;

/// Reads JSON, and expects every key in it to be in snake_case: `^[a-z][a-z0-9_]*$`. No key is exempt; names of candidates are values.
#[track_caller]
pub(crate) fn parse(text: &str) -> Value {
    let json: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("expected JSON, got {e}: {text}"));
    let mut keys = Vec::new();
    collect(&json, &mut keys);
    for key in keys {
        let snake = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        assert!(snake && key.starts_with(|c: char| c.is_ascii_lowercase()), "expected snake_case, got the key '{key}'");
    }
    json
}

fn collect<'a>(json: &'a Value, keys: &mut Vec<&'a String>) {
    match json {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            keys.push(key);
            collect(value, keys);
        }),
        Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
