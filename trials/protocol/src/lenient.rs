//! JSON as programs write it that are less strict: what Python and others write for a number that is not finite is understood.

/// No object is nested deeper.
const DEEPEST: usize = 64;

/// Strict JSON for the object that `text` begins with, in which `infinite` stands for numbers that are not finite, and how many bytes of
/// the text it is.
///
/// # Errors
/// If it has no end: as much as there is.
pub fn object(text: &[u8], infinite: &[u8]) -> Result<(Vec<u8>, usize), Vec<u8>> {
    let (mut json, mut depth, mut at) = (Vec::new(), 0, 0);
    while at < text.len() && depth <= DEEPEST {
        let rest = &text[at..];
        let word = rest.iter().take_while(|byte| is_of_word(**byte)).count();
        let length = match rest[0] {
            b'"' => string(rest),
            _ => word.max(1),
        };
        let piece = &rest[..length];
        match piece {
            b"{" | b"[" => depth += 1,
            b"}" | b"]" => depth -= 1,
            _ => {}
        }
        let is_infinite = word > 0 && std::str::from_utf8(piece).is_ok_and(is_not_finite);
        json.extend_from_slice(if is_infinite { infinite } else { piece });
        at += length;
        if depth == 0 {
            return Ok((json, at));
        }
    }
    Err(json)
}

/// The length of the string that `text` begins with, or of all of it if the string has no end.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether a word is a number that is not finite, as any language writes it, or too large to be one.
pub fn is_not_finite(word: &str) -> bool {
    word.parse::<f64>().is_ok_and(|number| !number.is_finite())
}
