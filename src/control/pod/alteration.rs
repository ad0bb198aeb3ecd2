//! How a pod changes the texts that it is sent: learnt from its answer right after a push,
//! and only where each text can be derived from ours.

use crate::model::meeting::Meeting;
use crate::model::memory::{Alteration, Case, CutUnit, Spaces, TextAlteration};

const ELLIPSES: [&str; 5] = ["", "…", "...", " …", " ..."];

/// Whether these are the texts that we sent, or what the pod is known to make of them.
#[must_use]
pub fn is_text_of(ours: &Meeting, shown: &Meeting, known: Option<&Alteration>) -> bool {
    let fits = |field: fn(&Meeting) -> &str, rule: Option<&TextAlteration>| {
        let (ours, shown) = (field(ours), field(shown));
        ours == shown || rule.is_some_and(|rule| is_altered(rule, ours, shown))
    };
    fits(title, known.map(|known| &known.title))
        && fits(organizer, known.map(|known| &known.organizer))
        && fits(description, known.map(|known| &known.description))
}

/// The alteration that explains every text shown, where there is one.
#[must_use]
pub fn learn(pairs: &[(&Meeting, &Meeting)]) -> Option<Alteration> {
    let of = |field: fn(&Meeting) -> &str, may_drop: bool| {
        let texts: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(ours, shown)| (field(ours), field(shown)))
            .collect();
        learn_text(&texts, may_drop)
    };
    Some(Alteration {
        // A display without any title is no display of ours.
        title: of(title, false)?,
        organizer: of(organizer, true)?,
        description: of(description, true)?,
    })
}

/// What a pod does, in words: "cuts titles after 20 characters, drops descriptions".
#[must_use]
pub fn words(alteration: &Alteration) -> String {
    let mut all = Vec::new();
    for (what, rule) in [
        ("titles", &alteration.title),
        ("organizers", &alteration.organizer),
        ("descriptions", &alteration.description),
    ] {
        match rule.cut {
            Some(0) => all.push(format!("drops {what}")),
            Some(length) => {
                let unit = match rule.unit {
                    CutUnit::Characters | CutUnit::Utf16 => "characters",
                    CutUnit::Bytes => "bytes",
                };
                all.push(format!("cuts {what} after {length} {unit}"));
            }
            None => {}
        }
        match rule.case {
            Case::Upper => all.push(format!("writes {what} in upper case")),
            Case::Lower => all.push(format!("writes {what} in lower case")),
            Case::Kept => {}
        }
        if rule.spaces != Spaces::Kept {
            all.push(format!("removes white space in {what}"));
        }
    }
    all.join(", ")
}

fn title(meeting: &Meeting) -> &str {
    &meeting.title
}

fn organizer(meeting: &Meeting) -> &str {
    &meeting.organizer
}

fn description(meeting: &Meeting) -> &str {
    meeting.description.as_deref().unwrap_or_default()
}

fn learn_text(texts: &[(&str, &str)], may_drop: bool) -> Option<TextAlteration> {
    if texts.iter().all(|(ours, shown)| ours == shown) {
        return Some(TextAlteration::default());
    }
    for spaces in [Spaces::Kept, Spaces::Trimmed, Spaces::Collapsed] {
        for case in [Case::Kept, Case::Upper, Case::Lower] {
            let rule = TextAlteration {
                spaces,
                case,
                ..TextAlteration::default()
            };
            if explains(&rule, texts) {
                return Some(rule);
            }
            if let Some(rule) = learn_cut(&rule, texts, may_drop) {
                return Some(rule);
            }
        }
    }
    None
}

fn learn_cut(
    base: &TextAlteration,
    texts: &[(&str, &str)],
    may_drop: bool,
) -> Option<TextAlteration> {
    for unit in [CutUnit::Characters, CutUnit::Utf16, CutUnit::Bytes] {
        for ellipsis in ELLIPSES {
            // Where a cut left white space at the end, the pod may have removed it, so the
            // longest of the lengths seen is nearest to the true one.
            let lengths = texts.iter().filter_map(|(ours, shown)| {
                let whole = prepared(base, ours);
                let kept = shown.strip_suffix(ellipsis)?;
                (whole != *shown && whole.starts_with(kept)).then(|| length(kept, unit))
            });
            let Some(longest) = lengths.max() else {
                continue;
            };
            if longest == 0 && (!may_drop || !ellipsis.is_empty()) {
                continue;
            }
            let rule = TextAlteration {
                cut: Some(longest),
                unit,
                ellipsis: ellipsis.to_owned(),
                ..base.clone()
            };
            if explains(&rule, texts) {
                return Some(rule);
            }
        }
    }
    None
}

fn explains(rule: &TextAlteration, texts: &[(&str, &str)]) -> bool {
    texts.iter().all(|(ours, shown)| {
        is_altered(rule, ours, shown)
            // What would have been cut and is not, contradicts the rule.
            && (ours != shown || !is_cut_short(rule, ours))
    })
}

/// Whether this is what a pod with that rule makes of our text.
fn is_altered(rule: &TextAlteration, ours: &str, shown: &str) -> bool {
    let whole = prepared(rule, ours);
    if whole == shown {
        return true;
    }
    let Some(limit) = rule.cut else { return false };
    let Some(kept) = shown.strip_suffix(rule.ellipsis.as_str()) else {
        return false;
    };
    let cut = prefix(&whole, limit, rule.unit);
    cut.len() < whole.len() && (kept == cut || kept == cut.trim_end())
}

/// Whether the text is longer than what is left of one that is cut.
fn is_cut_short(rule: &TextAlteration, ours: &str) -> bool {
    let whole = length(&prepared(rule, ours), rule.unit);
    rule.cut
        .is_some_and(|limit| whole > limit + length(&rule.ellipsis, rule.unit))
}

fn prepared(rule: &TextAlteration, text: &str) -> String {
    let spaced = match rule.spaces {
        Spaces::Kept => text.to_owned(),
        Spaces::Trimmed => text.trim().to_owned(),
        Spaces::Collapsed => text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    match rule.case {
        Case::Kept => spaced,
        Case::Upper => spaced.to_uppercase(),
        Case::Lower => spaced.to_lowercase(),
    }
}

fn length(text: &str, unit: CutUnit) -> usize {
    match unit {
        CutUnit::Characters => text.chars().count(),
        CutUnit::Utf16 => text.chars().map(char::len_utf16).sum(),
        CutUnit::Bytes => text.len(),
    }
}

/// The longest beginning of the text that is no longer than `limit`.
fn prefix(text: &str, limit: usize, unit: CutUnit) -> &str {
    let mut used = 0;
    for (at, char) in text.char_indices() {
        used += match unit {
            CutUnit::Characters => 1,
            CutUnit::Utf16 => char.len_utf16(),
            CutUnit::Bytes => char.len_utf8(),
        };
        if used > limit {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[(&str, &str)], expected: Option<&str>) {
        let rule = learn_text(texts, true);
        let alteration = rule.map(|title| Alteration {
            title,
            ..Alteration::default()
        });
        assert_eq!(alteration.as_ref().map(words).as_deref(), expected);
    }

    #[test]
    fn cuts_white_space_and_case_are_understood() {
        check(&[("Review", "Review")], Some(""));
        let long = "A long title of thirty letters";
        check(
            &[(long, "A long title of thir"), ("Short", "Short")],
            Some("cuts titles after 20 characters"),
        );
        check(
            &[(long, "A long tit…")],
            Some("cuts titles after 10 characters"),
        );
        check(
            &[(long, "A long tit...")],
            Some("cuts titles after 10 characters"),
        );
        check(&[("a  b ", "a b")], Some("removes white space in titles"));
        check(
            &[(" a", "a"), ("b", "b")],
            Some("removes white space in titles"),
        );
        check(&[("Review", "REVIEW")], Some("writes titles in upper case"));
        check(
            &[("Größenwahn", "Größe"), ("Übermäßig", "Überm")],
            Some("cuts titles after 5 characters"),
        );
        check(
            &[("Größenwahn", "Grö"), ("Standort", "Stand")],
            Some("cuts titles after 5 bytes"),
        );
        check(&[("Ada", ""), ("Bob", "")], Some("drops titles"));
    }

    #[test]
    fn what_is_not_ours_is_not_understood() {
        check(&[("Private meeting", "Merger")], None);
        check(&[("Review", "Review!")], None);
        check(&[("", "Ada")], None);
        // One is cut at 3, the other not although it is longer.
        check(&[("Review", "Rev"), ("Planning", "Planning")], None);
        check(&[("Review", "Rev"), ("Planning", "Pl")], None);
        assert!(learn_text(&[("Review", "")], false).is_none());
    }

    #[test]
    fn white_space_at_a_cut_may_be_removed() {
        check(
            &[("one two three", "one"), ("abcdefgh", "abcd")],
            Some("cuts titles after 4 characters"),
        );
    }
}
