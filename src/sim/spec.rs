//! What is to be done to a pod or a calendar host, in words (`slow=10s,method=PUT`) or in JSON
//! (`{"fault": "slow", "seconds": 10, "method": "PUT"}`).

use std::time::Duration;

use serde_json::{Map, Value, json};

/// A word and its members. Each member is read once; members that nobody read are refused.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    word: String,
    members: Map<String, Value>,
}

/// The member that a value after `=` stands for, for words that take one.
const VALUES: &[(&str, &str)] = &[
    ("slow", "seconds"),
    ("delay", "seconds"),
    ("late", "seconds"),
    ("cap", "meetings"),
    ("truncate", "characters"),
    ("suffix", "text"),
    ("clock", "offset_seconds"),
    ("date", "offset_seconds"),
    ("mode", "mode"),
    ("device", "device_id"),
    ("password", "password"),
    ("swap", "with"),
    ("status", "status"),
    ("redirect", "location"),
    ("content-type", "media"),
    ("oversized", "bytes"),
    ("gzip-bomb", "bytes"),
    ("drip", "bytes"),
];

impl Spec {
    pub fn new(word: &str, members: Map<String, Value>) -> Self {
        Self {
            word: word.to_owned(),
            members,
        }
    }

    /// Reads `WORD[=VALUE][,KEY=VALUE]...`; a number as the word is a status.
    pub fn from_words(text: &str) -> Result<Self, String> {
        // A comma inside of a value is written `\,`.
        let mut parts: Vec<String> = vec![String::new()];
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            match (c, parts.last_mut()) {
                ('\\', Some(part)) if characters.next_if_eq(&',').is_some() => part.push(','),
                (',', _) => parts.push(String::new()),
                (c, Some(part)) => part.push(c),
                (_, None) => {}
            }
        }
        let mut parts = parts.iter().map(String::as_str);
        let first = parts.next().unwrap_or_default();
        let (word, value) = match first.split_once('=') {
            Some((word, value)) => (word.trim(), Some(value)),
            None => (first.trim(), None),
        };
        let mut members = Map::new();
        let word = if word.parse::<u16>().is_ok() && value.is_none() {
            members.insert("status".to_owned(), read_value(word));
            "status"
        } else {
            word
        };
        if let Some(value) = value {
            let (_, key) = VALUES
                .iter()
                .find(|(known, _)| *known == word)
                .ok_or_else(|| format!("`{word}` is not known, or takes no value"))?;
            members.insert((*key).to_owned(), read_value(value));
        }
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` must be `key=value`"))?;
            members.insert(key.trim().to_owned(), read_value(value));
        }
        Ok(Self::new(word, members))
    }

    /// Reads JSON of which the member `fault` is the word.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, String> {
        let mut members = object.clone();
        match members.remove("fault") {
            Some(Value::String(word)) => Ok(Self::new(&word, members)),
            Some(_) => Err("`fault` must be a string".to_owned()),
            None => Err("`fault` is missing".to_owned()),
        }
    }

    pub fn word(&self) -> &str {
        &self.word
    }

    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.members.remove(key)
    }

    pub fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            // On the command line a text may be of digits only.
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("`{key}` must be a string")),
        }
    }

    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, String> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if text == "true" || text == "false" => {
                Ok(Some(text == "true"))
            }
            Some(_) => Err(format!("`{key}` must be a boolean")),
        }
    }

    pub fn integer(&mut self, key: &str) -> Result<Option<i64>, String> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let integer = value.as_i64();
        integer
            .map(Some)
            .ok_or_else(|| format!("`{key}` must be an integer"))
    }

    pub fn number<N: TryFrom<i64>>(&mut self, key: &str) -> Result<Option<N>, String> {
        let Some(integer) = self.integer(key)? else {
            return Ok(None);
        };
        let number = N::try_from(integer).ok();
        number
            .map(Some)
            .ok_or_else(|| format!("`{key}` is out of range"))
    }

    /// An HTTP status.
    pub fn status(&mut self, key: &str) -> Result<Option<u16>, String> {
        match self.number(key)? {
            Some(status) if !(200..=599).contains(&status) => {
                Err(format!("`{key}` must be from 200 to 599"))
            }
            status => Ok(status),
        }
    }

    /// A time: a number of seconds, or a string such as `5s`, `250ms` or `2m`.
    pub fn time(&mut self, key: &str) -> Result<Option<Duration>, String> {
        let time = match self.value(key) {
            None => return Ok(None),
            Some(Value::String(text)) => duration(&text),
            Some(value) => value
                .as_f64()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        time.map(Some)
            .ok_or_else(|| format!("`{key}` must be a number of seconds, or a time such as `5s`"))
    }

    /// A member that this word cannot do without.
    pub fn needed<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self, &str) -> Result<Option<T>, String>,
    ) -> Result<T, String> {
        read(self, key)?.ok_or_else(|| format!("`{}` needs `{key}`", self.word))
    }

    /// Refuses members that nobody took.
    pub fn finish(self) -> Result<(), String> {
        match self.members.keys().next() {
            Some(key) => Err(format!("`{}` takes no `{key}`", self.word)),
            None => Ok(()),
        }
    }
}

fn read_value(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => json!(number),
        _ => json!(text),
    }
}

/// Reads `250ms`, `30s`, `5m`, `1h`, or seconds without a unit.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_json_say_the_same() {
        for (words, json) in [
            (
                "slow=10s,times=2,method=PUT",
                json!({ "fault": "slow", "seconds": "10s", "times": 2, "method": "PUT" }),
            ),
            (
                "429,retry_after=30",
                json!({ "fault": "status", "status": 429, "retry_after": 30 }),
            ),
            (
                r"suffix= (a\, b)",
                json!({ "fault": "suffix", "text": " (a, b)" }),
            ),
            ("device=", json!({ "fault": "device", "device_id": "" })),
        ] {
            let from_json = Spec::from_json(json.as_object().unwrap()).unwrap();
            let from_words = Spec::from_words(words).unwrap();
            assert_eq!(from_words.word, from_json.word, "{words}");
            assert_eq!(from_words.members, from_json.members, "{words}");
        }
    }

    #[test]
    fn what_nobody_took_is_refused() {
        let mut spec = Spec::from_words("cap=4,colour=red").unwrap();
        assert_eq!(spec.needed("meetings", Spec::number::<u32>), Ok(4));
        assert_eq!(spec.finish(), Err("`cap` takes no `colour`".to_owned()));
        let mut spec = Spec::from_words("slow").unwrap();
        let missing = spec.needed("seconds", Spec::time);
        assert_eq!(missing, Err("`slow` needs `seconds`".to_owned()));
        assert!(Spec::from_words("hang=3").is_err());
        assert!(Spec::from_words("500,path").is_err());
    }
}
