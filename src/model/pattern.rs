//! The patterns of `only`: letter case does not count, `*` stands for any text.

/// Whether the whole text matches the pattern.
///
/// Runs of white space count as one space and those at the ends not at all, in
/// both; control characters are passed over.
///
/// ```
/// # use podcal::model::pattern::matches;
/// assert!(matches("borealis*", "Borealis (3rd floor)"));
/// assert!(!matches("borealis", "Borealis (3rd floor)"));
/// ```
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let text = folded(text);
    let mut pieces = pattern.split('*').map(folded_piece);
    let Some(first) = pieces.next() else {
        return text.is_empty();
    };
    let Some(last) = pieces.next_back() else {
        return text == first.trim();
    };
    let Some(mut rest) = text.strip_prefix(first.trim_start()) else {
        return false;
    };
    // The leftmost place for each piece leaves the most text for those after it.
    for piece in pieces {
        match rest.split_once(piece.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.trim_end())
}

fn folded(text: &str) -> String {
    folded_piece(text).trim().to_owned()
}

fn folded_piece(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_whitespace() {
            if !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else if !character.is_control() {
            folded.extend(character.to_lowercase());
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_an_administrator_expects() {
        for (pattern, text, expected) in [
            ("Borealis", "borealis", true),
            ("Borealis", " Borealis ", true),
            ("Borealis", "Borealis 2", false),
            ("Borealis*", "Borealis 2", true),
            ("*Borealis*", "Room: BOREALIS, 3rd", true),
            ("*borealis", "Room Borealis", true),
            ("*borealis", "Borealis Room", false),
            ("a*b*c", "a-c-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("3rd  floor", "3rd\tfloor", true),
            ("größe", "GRÖSSE", false),
            ("größe", "GRÖßE", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = "*a".repeat(2_000) + "*b";
        assert!(!matches(&pattern, &"a".repeat(100_000)));
    }
}
