//! The description of the API, and what of a request or an answer it does not have.
//!
//! Findings are sentences; none means that all is as described. Which requests are
//! looked at is the test's business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::wire::{Answered, Asked};

/// Method and path template, such as `GET /calendar/{id}`.
pub type Name = (String, String);

pub struct Description {
    document: Value,
    /// As a request has to be: without what can only be read.
    sent: Value,
    /// As an answer has to be: without what can only be written.
    read: Value,
}

/// An operation that a request was found to ask for.
pub struct Operation<'a> {
    pub name: Name,
    description: &'a Value,
    parameters: Vec<&'a Value>,
    /// What stands in the path for its parameters.
    path: BTreeMap<String, String>,
}

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

impl Description {
    pub fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/opencontrol-v2.openapi.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        // Pods may have settings that nobody has described. Here they are typing errors.
        let mut closed = document.clone();
        for part in document["components"]["schemas"]["Config"]["properties"]
            .as_object()
            .unwrap()
            .values()
        {
            close(closed.pointer_mut(pointer_of(part).unwrap()).unwrap());
        }
        for name in ["Config", "Vlan", "SplashImages", "SplashHash"] {
            close(&mut closed["components"]["schemas"][name]);
        }
        let (mut sent, mut read) = (closed.clone(), closed);
        forbid(&mut sent, "readOnly");
        forbid(&mut read, "writeOnly");
        Self {
            document,
            sent,
            read,
        }
    }

    /// Every operation that is described.
    pub fn names(&self) -> BTreeSet<Name> {
        let paths = self.document["paths"].as_object().unwrap();
        let methods = |(path, item): (&String, &Value)| -> Vec<Name> {
            let described = METHODS.iter().filter(|method| item.get(method).is_some());
            described
                .map(|method| (method.to_uppercase(), path.clone()))
                .collect()
        };
        paths.iter().flat_map(methods).collect()
    }

    /// The operation that is asked for. As in the specification, a path that is
    /// spelt out comes before one with parameters.
    pub fn operation(&self, asked: &Asked) -> Result<Operation<'_>, String> {
        let path = asked.path.strip_prefix("/v2");
        let path = path.ok_or_else(|| format!("{} is not under /v2", asked.path))?;
        let paths = self.document["paths"].as_object().unwrap();
        let fits = paths.iter().filter_map(|(template, item)| {
            let values = values_in(template, path)?;
            Some((values.len(), template, item, values))
        });
        let (_, template, item, values) = fits
            .min_by_key(|(parameters, ..)| *parameters)
            .ok_or_else(|| format!("no path of the description is like {path}"))?;
        let description = item
            .get(asked.method.to_lowercase())
            .ok_or_else(|| format!("{template} has no {}", asked.method))?;
        let lists = [item.get("parameters"), description.get("parameters")];
        let parameters = lists.into_iter().flatten().filter_map(Value::as_array);
        Ok(Operation {
            name: (asked.method.clone(), template.clone()),
            description,
            parameters: parameters.flatten().map(|one| self.resolved(one)).collect(),
            path: values,
        })
    }

    /// What the description does not have of this request.
    pub fn findings(&self, asked: &Asked) -> Vec<String> {
        match self.operation(asked) {
            Ok(operation) => {
                let mut findings = self.in_parameters(&operation, asked);
                findings.extend(self.in_authorization(&operation, asked));
                findings.extend(self.in_body(&operation, asked));
                findings.extend(self.in_accept(&operation, asked));
                findings
            }
            Err(finding) => vec![finding],
        }
    }

    fn in_parameters(&self, operation: &Operation<'_>, asked: &Asked) -> Vec<String> {
        let mut findings = Vec::new();
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(asked.query.as_deref().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let mut known = BTreeSet::new();
        for parameter in &operation.parameters {
            let name = parameter["name"].as_str().unwrap();
            let values: Vec<&str> = match parameter["in"].as_str().unwrap() {
                "path" => operation
                    .path
                    .get(name)
                    .map(String::as_str)
                    .into_iter()
                    .collect(),
                "query" => {
                    known.insert(name);
                    let named = query.iter().filter(|(key, _)| key == name);
                    named.map(|(_, value)| value.as_str()).collect()
                }
                other => panic!("parameters in {other} are not looked at"),
            };
            if values.len() > 1 {
                findings.push(format!("the parameter {name} is there twice"));
            }
            if values.is_empty() && parameter["required"] == json!(true) {
                findings.push(format!("the parameter {name} is missing"));
            }
            for value in values {
                let value = typed(value, &parameter["schema"]);
                let wrong = violations(&self.sent, &parameter["schema"], &value);
                findings.extend(wrong.iter().map(|why| format!("parameter {name}: {why}")));
            }
        }
        let unknown = query
            .iter()
            .filter(|(key, _)| !known.contains(key.as_str()));
        findings.extend(unknown.map(|(key, _)| format!("there is no parameter {key}")));
        findings
    }

    fn in_authorization(&self, operation: &Operation<'_>, asked: &Asked) -> Option<String> {
        let ways = operation.description.get("security");
        let ways = ways
            .unwrap_or(&self.document["security"])
            .as_array()
            .unwrap();
        let is_nothing = |way: &Value| way.as_object().unwrap().is_empty();
        let required = !ways.is_empty() && !ways.iter().any(is_nothing);
        match asked.headers.get("authorization") {
            None if required => Some("there is no Authorization".to_owned()),
            Some(_) if ways.is_empty() => Some("there is an Authorization".to_owned()),
            Some(value) => match value.strip_prefix("Bearer ") {
                Some(token) if token.split('.').count() == 3 && !token.contains(' ') => None,
                _ => Some("Authorization is not `Bearer` and a JWT".to_owned()),
            },
            None => None,
        }
    }

    fn in_body(&self, operation: &Operation<'_>, asked: &Asked) -> Vec<String> {
        let media = asked.headers.get("content-type").map(|text| essence(text));
        let Some(body) = operation.description.get("requestBody") else {
            let sent = media.is_some() || !asked.body.is_empty();
            return sent
                .then(|| "there is a body".to_owned())
                .into_iter()
                .collect();
        };
        let Some(media) = media else {
            let needed = body["required"] == json!(true) || !asked.body.is_empty();
            let finding = "there is no body, or one without Content-Type";
            return needed.then(|| finding.to_owned()).into_iter().collect();
        };
        match body["content"].get(&media) {
            Some(content) => {
                violations_of_bytes(&self.sent, &content["schema"], &media, &asked.body)
            }
            None => vec![format!("the body is {media}")],
        }
    }

    /// An `Accept` that admits what is answered when all goes well.
    fn in_accept(&self, operation: &Operation<'_>, asked: &Asked) -> Option<String> {
        let content = self.answer(operation, 200)?.get("content")?.as_object()?;
        let accept = asked
            .headers
            .get("accept")
            .map_or("nothing", String::as_str);
        let admits = accept.split(',').any(|range| {
            let range = essence(range);
            range == "*/*" || content.contains_key(&range)
        });
        (!admits).then(|| format!("Accept is {accept}"))
    }

    fn answer<'a>(&'a self, operation: &Operation<'a>, status: u16) -> Option<&'a Value> {
        let answers = &operation.description["responses"];
        let answer = answers.get(status.to_string());
        let answer = answer.or_else(|| answers.get("default"))?;
        Some(self.resolved(answer))
    }

    /// What a reference refers to, or the thing itself.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        pointer_of(value).map_or(value, |pointer| self.document.pointer(pointer).unwrap())
    }

    /// What the description does not have of an answer to this operation.
    pub fn findings_in_answer(
        &self,
        operation: &Operation<'_>,
        answered: &Answered,
    ) -> Vec<String> {
        let Some(answer) = self.answer(operation, answered.status) else {
            return vec![format!("the status is {}", answered.status)];
        };
        let Some(content) = answer.get("content").and_then(Value::as_object) else {
            let sent = !answered.body.is_empty();
            return sent
                .then(|| "the answer has a body".to_owned())
                .into_iter()
                .collect();
        };
        let media = answered.content_type.as_deref().map(essence);
        let media = media.unwrap_or_else(|| "nothing".to_owned());
        let kind = media.split('/').next().unwrap_or_default();
        match content
            .get(&media)
            .or_else(|| content.get(&format!("{kind}/*")))
        {
            Some(content) => {
                violations_of_bytes(&self.read, &content["schema"], &media, &answered.body)
            }
            None => vec![format!("the answer is {media}")],
        }
    }

    /// What is wrong with a value that is read, by one of the named schemas.
    pub fn findings_in_value(&self, schema: &str, value: &Value) -> Vec<String> {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        violations(&self.read, &schema, value)
    }

    /// The settings that a named schema has, as `paths_in` writes them.
    pub fn settings(&self, schema: &str) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        self.collect(&self.read["components"]["schemas"][schema], "", &mut paths);
        paths
    }

    fn collect(&self, schema: &Value, at: &str, paths: &mut BTreeSet<String>) {
        if let Some(pointer) = pointer_of(schema) {
            return self.collect(self.read.pointer(pointer).unwrap(), at, paths);
        }
        let mut is_leaf = true;
        for keyword in ["oneOf", "allOf"] {
            for branch in schema
                .get(keyword)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                is_leaf = false;
                if branch.is_object() {
                    self.collect(branch, at, paths);
                }
            }
        }
        for keyword in ["properties", "patternProperties"] {
            for (key, inner) in schema
                .get(keyword)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                is_leaf = false;
                let index = keyword == "patternProperties" || key.parse::<u8>().is_ok();
                self.collect(inner, &joined(at, if index { "N" } else { key }), paths);
            }
        }
        if let Some(items) = schema.get("items") {
            is_leaf = false;
            self.collect(items, &joined(at, "N"), paths);
        }
        // A value that may as well be an object is told by the paths in that.
        if is_leaf && schema.get("const").is_none() {
            paths.insert(at.to_owned());
        }
    }
}

/// Where a setting is, `N` standing for an index: `display.splash.images.N.enabled`.
/// Maps whose keys are free are one setting.
pub fn paths_in(tree: &Value, free: &[&str]) -> BTreeSet<String> {
    fn walk(value: &Value, at: &str, free: &[&str], paths: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) if !free.contains(&at) => {
                for (key, inner) in map {
                    let key = if key.parse::<u8>().is_ok() { "N" } else { key };
                    walk(inner, &joined(at, key), free, paths);
                }
            }
            Value::Array(items) => {
                for inner in items {
                    walk(inner, &joined(at, "N"), free, paths);
                }
            }
            _ => {
                paths.insert(at.to_owned());
            }
        }
    }
    let mut paths = BTreeSet::new();
    walk(tree, "", free, &mut paths);
    paths
}

fn joined(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}

fn pointer_of(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)?.strip_prefix('#')
}

/// What stands in `path` for the parameters of `template`; `None` where it is another path.
fn values_in(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (template, path): (Vec<&str>, Vec<&str>) =
        (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut values = BTreeMap::new();
    for (expected, found) in template.into_iter().zip(path) {
        match expected
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) => {
                let value = percent_decode_str(found).decode_utf8().ok()?;
                values.insert(name.to_owned(), value.into_owned());
            }
            None if expected == found => {}
            None => return None,
        }
    }
    Some(values)
}

/// A parameter as JSON: everything in an address is text.
fn typed(text: &str, schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("integer") => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |number| json!(number)),
        _ => json!(text),
    }
}

/// A media type without its parameters.
fn essence(text: &str) -> String {
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn violations_of_bytes(document: &Value, schema: &Value, media: &str, body: &[u8]) -> Vec<String> {
    match media {
        "application/json" => match serde_json::from_slice(body) {
            Ok(value) => violations(document, schema, &value),
            Err(error) => vec![format!("the body is no JSON: {error}")],
        },
        "application/x-www-form-urlencoded" => {
            let mut form = Map::new();
            for (key, value) in url::form_urlencoded::parse(body) {
                if form
                    .insert(key.clone().into_owned(), json!(value))
                    .is_some()
                {
                    return vec![format!("the field {key} is there twice")];
                }
            }
            violations(document, schema, &Value::Object(form))
        }
        "image/png" if body.starts_with(b"\x89PNG\r\n\x1a\n") => Vec::new(),
        "image/jpeg" if body.starts_with(b"\xff\xd8\xff") => Vec::new(),
        other => vec![format!("the body is not {other}")],
    }
}

/// What JSON Schema has against a value. The document goes along for its references.
fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut root = document.clone();
    root.as_object_mut()
        .unwrap()
        .insert("allOf".to_owned(), json!([schema]));
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&root)
        .unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
        .collect()
}

/// Admits no other properties than those that are named, at any depth.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.get("type") == Some(&json!("object")) && map.contains_key("properties") {
                map.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Makes every schema that bears this mark one that nothing fits.
fn forbid(schema: &mut Value, mark: &str) {
    match schema {
        Value::Object(map) if map.get(mark) == Some(&json!(true)) => *schema = json!(false),
        Value::Object(map) => map.values_mut().for_each(|inner| forbid(inner, mark)),
        Value::Array(items) => items.iter_mut().for_each(|inner| forbid(inner, mark)),
        _ => {}
    }
}
