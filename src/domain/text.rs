//! Text from outside, made fit for a terminal. Names, messages and logs come from people and programs we do not know;
//! none of their control characters may reach the operator's terminal.

/// Longest piece of foreign text kept from one answer, in characters. A line of a screen is a quarter of it.
pub const FOREIGN_TEXT_CHARS_MAX: usize = 1000;

/// `text` without control characters, bidirectional overrides and zero-width marks, each run of white space as one
/// blank, cut to `chars_max` characters with an ellipsis.
#[must_use]
pub fn clean_to(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let mut blank = false;
    let mut length = 0;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            blank = length > 0;
            continue;
        }
        if invisible(c) {
            continue;
        }
        if length + usize::from(blank) >= chars_max {
            out.pop();
            out.push('…');
            return out;
        }
        if blank {
            out.push(' ');
            length += 1;
            blank = false;
        }
        out.push(c);
        length += 1;
    }
    out
}

/// [`clean_to`] with the usual bound.
#[must_use]
pub fn clean(text: &str) -> String {
    clean_to(text, FOREIGN_TEXT_CHARS_MAX)
}

/// `text` of several lines without control characters and invisible marks; line ends and blanks stay where they are. For
/// what is put together from pieces that were cleaned each: none of them may be the one that was forgotten.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !(c.is_control() || invisible(*c))).collect()
}

/// Marks that change how neighbours are shown without being seen: bidirectional controls, zero-width characters,
/// the byte-order mark, tags, variation selectors. Source: Unicode Standard annex 9 and "Trojan Source" (2021).
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_overrides_do_not_survive() {
        for (dirty, expected) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
            ("a\r\n\tb", "a b"),
            ("  lead and trail  ", "lead and trail"),
            ("user\u{202E}gnp.exe", "usergnp.exe"),
            ("zero\u{200B}width", "zerowidth"),
            ("\u{9b}2J", "2J"),
        ] {
            assert_eq!(clean(dirty), expected, "{dirty:?}");
        }
        assert_eq!(clean_to("abcdef", 4), "abc…");
        assert_eq!(clean_to("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn nothing_a_terminal_obeys_is_left(text in any::<String>(), bound in 1_usize..50) {
            let cleaned = clean_to(&text, bound);
            prop_assert!(cleaned.chars().count() <= bound);
            prop_assert!(!cleaned.chars().any(|c| c.is_control() || invisible(c)));
        }
    }
}
