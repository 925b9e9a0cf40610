//! Numbers of natural persons inside a text: found wherever they stand, in whatever field.
//!
//! A number counts when its digits do, written together or in groups, in half or full width: a resident
//! number (GB 11643, 18 characters, and the 15 digits before 1999) by its date of birth, a mobile number
//! by its first two digits. A check character is not asked for: a mistyped number is somebody's still.
//! What cannot be told from other numbers (a landline, a passport) is left to the typed fields.

use std::{borrow::Cow, ops::Range};

use jiff::civil::Date;

/// Longest value that an error repeats, characters.
const SHOWN: usize = 64;

/// Longest shape that an error gives, characters.
const SHAPE: usize = 32;

/// Groups of digits that one number is written in at most.
const GROUPS: usize = 6;

/// The text with the numbers of natural persons, resident and mobile, made unreadable, length unchanged.
pub fn without_numbers(text: &str) -> Cow<'_, str> {
    hide(text, |digits| is_resident(digits) || is_mobile(digits))
}

/// The same for resident numbers alone: for codes, among which eleven digits are common.
pub fn without_resident_numbers(text: &str) -> Cow<'_, str> {
    hide(text, is_resident)
}

/// A value as an error may repeat it: a plain code as it stands, anything else by its [`shape`].
///
/// What arrives in a wrong field may be anybody's name or number.
pub fn shown(text: &str) -> String {
    let is_code = text.chars().all(|c| c.is_ascii_graphic()) && text.len() <= SHOWN;
    if is_code && matches!(without_numbers(text), Cow::Borrowed(_)) { text.to_owned() } else { shape(text) }
}

/// What a text looks like without what it says: `2026-13-01` is `9999-99-99`, `61090219x` is `99999999a`.
pub fn shape(text: &str) -> String {
    let mut shape: String = text
        .chars()
        .take(SHAPE)
        .map(|character| match character {
            '0'..='9' => '9',
            'a'..='z' | 'A'..='Z' => 'a',
            other if other.is_alphanumeric() => '字',
            other if other.is_control() => '?',
            other => other,
        })
        .collect();
    if text.chars().nth(SHAPE).is_some() {
        shape.push('…');
    }
    shape
}

/// Digits between what is neither letter nor digit, with their place in bytes.
struct Group {
    place: Range<usize>,
    digits: String,
    /// Whether one blank or hyphen joins it to the group before.
    joined: Joined,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    Yes,
    No,
}

fn hide(text: &str, is_personal: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let groups = groups(text);
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let mut first = 0;
    while first < groups.len() {
        let chained =
            groups[first + 1..].iter().take(GROUPS - 1).take_while(|group| group.joined == Joined::Yes);
        let longest = first + chained.count();
        let number = |last: &usize| {
            let digits: String = groups[first..=*last].iter().map(|group| group.digits.as_str()).collect();
            is_personal(&digits)
        };
        match (first..=longest).rev().find(number) {
            Some(last) => {
                hidden.push(groups[first].place.start..groups[last].place.end);
                first = last + 1;
            }
            None => first += 1,
        }
    }
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let star = |(at, c): (usize, char)| if hidden.iter().any(|place| place.contains(&at)) { '*' } else { c };
    Cow::Owned(text.char_indices().map(star).collect())
}

/// Words of digits, the last of them perhaps ending in X.
fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut word: Option<Group> = None;
    // What stands between the word before and here: nothing read yet, one separator, or more.
    let mut between = String::new();
    for (at, character) in text.char_indices().chain([(text.len(), '\n')]) {
        let plain = plain(character);
        if plain.is_ascii_alphanumeric() {
            let group = word.get_or_insert_with(|| Group {
                place: at..at,
                digits: String::new(),
                joined: if matches!(between.as_str(), " " | "-") { Joined::Yes } else { Joined::No },
            });
            group.digits.push(plain);
            group.place.end = at + character.len_utf8();
            continue;
        }
        if let Some(group) = word.take() {
            between.clear();
            if is_number(&group.digits) {
                groups.push(group);
            } else {
                between.push_str("no number");
            }
        }
        between.push(plain);
    }
    groups
}

fn is_number(word: &str) -> bool {
    let digits = word.strip_suffix('X').unwrap_or(word);
    !word.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Half width, capital X, one kind of blank and one of hyphen.
fn plain(character: char) -> char {
    match character {
        '０'..='９' => {
            char::from_u32(u32::from(character) - u32::from('０') + u32::from('0')).unwrap_or('0')
        }
        'x' | 'ｘ' | 'Ｘ' => 'X',
        '\u{a0}' | '\u{3000}' => ' ',
        '－' | '–' | '—' | '‑' => '-',
        other => other,
    }
}

/// Whether the digits have the form of a resident number, of today or of before 1999. A 统一社会信用代码 has
/// it only where its division and its number together make a day of these centuries, next to never.
fn is_resident(digits: &str) -> bool {
    match digits.len() {
        18 => born(&digits[6..14]),
        15 => !digits.contains('X') && born(&format!("19{}", &digits[6..12])),
        _ => false,
    }
}

/// Whether eight digits are a day on which somebody alive or remembered was born.
fn born(digits: &str) -> bool {
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<i16>().ok());
    let small = |from: usize, to: usize| number(from, to).and_then(|number| i8::try_from(number).ok());
    let day = (|| Date::new(number(0, 4)?, small(4, 6)?, small(6, 8)?).ok())();
    day.is_some_and(|day| (1850..=2100).contains(&day.year()))
}

/// Whether the digits are a mobile number, with or without the country's code.
fn is_mobile(digits: &str) -> bool {
    let national = ["0086", "86"].iter().find_map(|code| digits.strip_prefix(code)).unwrap_or(digits);
    [national, digits].iter().any(|number| {
        number.len() == 11
            && number.starts_with('1')
            && matches!(number.as_bytes()[1], b'3'..=b'9')
            && !number.contains('X')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_hidden_wherever_it_stands() {
        for (text, hidden) in [
            ("61090219900307001X", "******************"),
            ("王某（身份证号61090219900307001x）无证经营", "王某（身份证号******************）无证经营"),
            ("610902 19900307 001X", "********************"),
            ("６１０９０２１９９００３０７００１Ｘ", "******************"),
            ("旧证610902900307001。", "旧证***************。"),
            ("电话：13991512345", "电话：***********"),
            ("+86 139-1512-3456", "+****************"),
            ("13991512345 61090219900307001X", "*********** ******************"),
            ("check character wrong 610902199003070010", "check character wrong ******************"),
        ] {
            assert_eq!(without_numbers(text), hidden);
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "91610902MA70T3X14T",
            "116109000160200060",
            "000131016000",
            "2026-03-05T09:30:00+08:00",
            "安市监罚〔2026〕12号，罚款20000.00元",
            "11440232MB2D06811W4000117051000202010200008",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "01956000-0000-7000-8000-000000000001",
            "0915-3212345",
            "JY16109020012345",
            "610902199013070012",
        ] {
            assert!(matches!(without_numbers(text), Cow::Borrowed(_)), "{text}: {}", without_numbers(text));
        }
    }

    #[test]
    fn eleven_digits_are_no_resident_number() {
        assert_eq!(without_resident_numbers("13991512345"), "13991512345");
        assert_eq!(without_resident_numbers("61090219900307001X"), "******************");
    }

    #[test]
    fn an_error_repeats_codes_and_nothing_else() {
        assert_eq!(shown("000131016000"), "000131016000");
        assert_eq!(shown("yesterday"), "yesterday");
        assert_eq!(shown("王小明"), "字字字");
        assert_eq!(shown("61090219900307001X"), "99999999999999999a");
        assert_eq!(shown("Wang Xiaoming"), "aaaa aaaaaaaa");
        assert_eq!(shown("a\nb"), "a?a");
        assert_eq!(shown(&"a".repeat(80)).chars().count(), SHAPE + 1);
    }

    proptest! {
        #[test]
        fn no_resident_number_stays_readable_in_any_text(
            before in "[^0-9A-Za-zＸｘ０-９ -]{0,5}", after in "[^0-9A-Za-zＸｘ０-９ -]{0,5}",
            place in 110_000..830_000_u32, days in 0..40_000_i32, order in 0..1000_u16, check in "[0-9Xx]",
        ) {
            let born = jiff::civil::date(1920, 1, 1).saturating_add(jiff::Span::new().days(days));
            let number = format!("{place}{}{order:03}{check}", born.strftime("%Y%m%d"));
            let text = format!("{before}{number}{after}");
            prop_assert!(!without_numbers(&text).contains(&number));
        }

        #[test]
        fn a_text_keeps_its_length_and_falls_over_nothing(text in "\\PC*") {
            prop_assert_eq!(without_numbers(&text).chars().count(), text.chars().count());
            prop_assert!(shown(&text).chars().count() <= SHOWN);
        }
    }
}
