//! `include`: further files with rooms, named one by one or by patterns.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::file::{Table, Value, quoted};
use super::secret::{Sources, unreadable};
use super::text;

/// A file that `include` names.
pub struct Included {
    pub path: PathBuf,
    /// Empty where the file cannot be read as text; then that has been noted.
    pub text: String,
}

/// More than the rooms of the largest campus, with a file for each.
const MOST_FILES: usize = 20_000;

/// The files of `include` in the order in which they are read: that of the list, and by
/// name where a pattern matches several. A file counts once.
pub fn files(root: &Table<'_>, main: &Path, sources: &Sources<'_>) -> Vec<Included> {
    const EXPECTED: &str = "an array such as [\"rooms.d/*.toml\"]";
    let Some(patterns) = root
        .get("include")
        .and_then(|value| value.elements(EXPECTED))
    else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for pattern in patterns {
        let Some(paths) = matches(&pattern, sources) else {
            continue;
        };
        let mut found = false;
        for path in paths {
            if path == main {
                pattern.warn("matches the configuration itself, which is left out");
                found = true;
                continue;
            }
            if seen.contains(&path) {
                found = true;
                continue;
            }
            if seen.len() == MOST_FILES {
                pattern.wrong(format!("matches more than {MOST_FILES} files"));
                return files;
            }
            if let Some(file) = read(&pattern, &path, sources) {
                found = true;
                seen.insert(path);
                files.push(file);
            }
        }
        if !found {
            pattern.warn(format!(
                "{} matches no file",
                quoted(pattern.raw().as_str().unwrap_or_default())
            ));
        }
    }
    files
}

/// A file, or `None` where there is none, or a folder that only happens to match.
fn read(pattern: &Value<'_>, path: &Path, sources: &Sources<'_>) -> Option<Included> {
    let is_pattern = pattern.raw().as_str().is_some_and(has_wildcard);
    let bytes = match (sources.read_file)(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) if error.kind() == io::ErrorKind::IsADirectory && is_pattern => return None,
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::IsADirectory => "; write its files, such as \"rooms.d/*.toml\"",
                _ => "",
            };
            pattern.wrong(format!(
                "the file `{}` {}{hint}",
                path.display(),
                unreadable(&error)
            ));
            Vec::new()
        }
    };
    let text = text::decode(bytes).unwrap_or_else(|(line, says)| {
        pattern.wrong(format!(
            "the file `{}`, line {line}, {says}",
            path.display()
        ));
        String::new()
    });
    Some(Included {
        path: path.to_owned(),
        text,
    })
}

/// The paths that a pattern matches, whether or not a file is there; `None` where the
/// pattern is wrong.
fn matches(pattern: &Value<'_>, sources: &Sources<'_>) -> Option<Vec<PathBuf>> {
    let text = pattern.line_of_text()?;
    if text.contains("**") {
        pattern.wrong("contains `**`; write one `*` for each folder, such as \"rooms.d/*/*.toml\"");
        return None;
    }
    let mut paths = vec![sources.folder.to_owned()];
    for component in Path::new(text).components() {
        // A leading dot would make another path of the same file.
        if component == Component::CurDir {
            continue;
        }
        let Component::Normal(name) = component else {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        // Of a `str` every part is one.
        let name = name.to_str().unwrap_or_default();
        if !has_wildcard(name) {
            paths.iter_mut().for_each(|path| path.push(name));
            continue;
        }
        let mut next = Vec::new();
        for folder in paths {
            next.extend(in_folder(pattern, &folder, name, sources)?);
        }
        paths = next;
    }
    Some(paths)
}

fn in_folder(
    pattern: &Value<'_>,
    folder: &Path,
    wanted: &str,
    sources: &Sources<'_>,
) -> Option<Vec<PathBuf>> {
    let mut names = match (sources.list_folder)(folder) {
        Ok(names) => names,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Vec::new()
        }
        Err(error) => {
            pattern.wrong(format!(
                "the folder `{}` {}",
                folder.display(),
                unreadable(&error)
            ));
            return None;
        }
    };
    names.retain(|name| is_match(wanted, name));
    names.sort();
    Some(names.iter().map(|name| folder.join(name)).collect())
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a file's name matches: `*` stands for any text, `?` for one character. As in a
/// shell, a name that begins with a dot is only matched by a pattern that does.
fn is_match(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    // Where the last `*` stands, and what it has taken of the name so far.
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || name.get(in_name) == Some(wanted) => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                in_name = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn names_are_matched_as_by_a_shell() {
        for (pattern, name, expected) in [
            ("*.toml", "north.toml", true),
            ("*.toml", "north.toml~", false),
            ("*.toml", ".north.toml", false),
            (".*.toml", ".north.toml", true),
            ("floor?.toml", "floor1.toml", true),
            ("floor?.toml", "floor12.toml", false),
            ("*o*o*", "floor.toml", true),
            ("*a*", "floor.toml", false),
            ("*", "x", true),
            ("x", "x", true),
            ("x*", "x", true),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }
}
