//! From the bytes of a file to its text: UTF-8, with or without a mark at the start.

/// The text of a file that should be UTF-8, without its byte-order mark.
///
/// # Errors
/// The line, counted from 1, of the first byte that is not UTF-8, and what to do about it.
pub fn decode(bytes: Vec<u8>) -> Result<String, (usize, &'static str)> {
    // What `>` writes in PowerShell and "Unicode" means in Notepad.
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((1, "is UTF-16; save the file as UTF-8"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let breaks = before
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n');
        (breaks.count() + 1, "is not UTF-8; save the file as UTF-8")
    })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok(text)
}

const BYTE_ORDER_MARK: char = '\u{feff}';
