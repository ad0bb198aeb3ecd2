pub fn matches(pattern: &str, text: &str) -> bool {
    pattern == text
}
