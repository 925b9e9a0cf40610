//! Reads the words of an expression without running it: which filters, tests and code tables it calls, and which paths of
//! the input it reads.
//!
//! The engine finds unknown filters and tables only when a value reaches them. A mapping must be found wrong when it is
//! loaded, so the words are read here; that the expression is one at all is the engine's own check.

/// The names an expression uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Names after `|`.
    pub(crate) filters: Vec<String>,
    /// Names after `is` or `is not`.
    pub(crate) tests: Vec<String>,
    /// Constant arguments of `code` and `code_back`.
    pub(crate) tables: Vec<String>,
    /// Variables with the constant path read from them, such as `record.items[0].code`, each once, in order.
    pub(crate) paths: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Number(&'a str),
    Sign(char),
}

const KEYWORDS: [&str; 12] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"];

/// Reads the words of an expression that the engine has accepted.
pub(crate) fn words(expression: &str) -> Words {
    let tokens = tokens(expression);
    let mut words = Words::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += match token {
            Token::Sign('|') => filter(&tokens[at..], &mut words),
            Token::Word("is") => test(&tokens[at..], &mut words),
            Token::Word(name) if !KEYWORDS.contains(name) && *name != "None" => variable(
                name,
                &tokens[at..],
                at.checked_sub(1).and_then(|before| tokens.get(before)),
                &mut words,
            ),
            _ => 1,
        };
    }
    words
}

fn filter(tokens: &[Token<'_>], words: &mut Words) -> usize {
    let Some(Token::Word(name)) = tokens.get(1) else { return 1 };
    words.filters.push((*name).to_owned());
    if let (true, Some(Token::Sign('(')), Some(Token::Text(table))) =
        (name.starts_with("code"), tokens.get(2), tokens.get(3))
    {
        words.tables.push((*table).to_owned());
    }
    2
}

fn test(tokens: &[Token<'_>], words: &mut Words) -> usize {
    let negated = usize::from(tokens.get(1) == Some(&Token::Word("not")));
    match tokens.get(1 + negated) {
        Some(Token::Word(name)) => {
            words.tests.push((*name).to_owned());
            2 + negated
        }
        _ => 1 + negated,
    }
}

/// Follows a variable as far as its path is constant; a call, a method or a keyword argument's name is none.
fn variable(name: &str, tokens: &[Token<'_>], before: Option<&Token<'_>>, words: &mut Words) -> usize {
    let next = tokens.get(1);
    let keyword = next == Some(&Token::Sign('=')) && tokens.get(2) != Some(&Token::Sign('='));
    if next == Some(&Token::Sign('(')) || keyword || before == Some(&Token::Sign('.')) {
        return 1;
    }
    let mut path = name.to_owned();
    let mut read = 1;
    loop {
        match tokens.get(read..) {
            Some([Token::Sign('.'), Token::Word(_), Token::Sign('('), ..]) => break,
            Some([Token::Sign('.'), Token::Word(step) | Token::Number(step), ..]) => {
                path.push('.');
                path.push_str(step);
                read += 2;
            }
            Some([Token::Sign('['), Token::Text(step), Token::Sign(']'), ..]) => {
                path.push('.');
                path.push_str(step);
                read += 3;
            }
            Some([Token::Sign('['), Token::Number(step), Token::Sign(']'), ..]) => {
                path.push('[');
                path.push_str(step.as_ref());
                path.push(']');
                read += 3;
            }
            _ => break,
        }
    }
    if !words.paths.contains(&path) {
        words.paths.push(path);
    }
    read
}

fn tokens(expression: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' | '\'' => {
                let end = closing(rest, first);
                (Token::Text(&rest[1..end]), (end + 1).min(rest.len()))
            }
            _ if first.is_ascii_digit() => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                (Token::Number(&rest[..end]), end)
            }
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..end]), end)
            }
            sign => (Token::Sign(sign), sign.len_utf8()),
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Where the quote that closes a string stands; the end of the text when none does.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(expression: &str) -> Vec<String> {
        words(expression).paths
    }

    #[test]
    fn paths_are_followed_as_far_as_they_are_constant() {
        assert_eq!(paths("record.a.b ~ record['c d'].e"), ["record.a.b", "record.c d.e"]);
        assert_eq!(paths("record.items[0].code"), ["record.items[0].code"]);
        assert_eq!(paths("record[key.name].x"), ["record", "key.name"]);
        assert_eq!(paths("record.名称 + record.名称"), ["record.名称"]);
        assert_eq!(paths("record.a.upper()"), ["record.a"]);
    }

    #[test]
    fn constants_calls_and_keyword_arguments_are_no_paths() {
        assert_eq!(paths("range(3)|join(d=record.sep) if none is none else 'record.x'"), ["record.sep"]);
        assert_eq!(paths("record.a == true and not record.b"), ["record.a", "record.b"]);
        assert_eq!(paths(r#"'it\'s record.x' ~ "\"y""#), Vec::<String>::new());
    }

    #[test]
    fn filters_tests_and_tables_are_found() {
        let words =
            words("record.a | trim|code('t1') ~ (b | code_back(\"t2\")) if a is not long_term and b is none");
        assert_eq!(words.filters, ["trim", "code", "code_back"]);
        assert_eq!(words.tables, ["t1", "t2"]);
        assert_eq!(words.tests, ["long_term", "none"]);
    }
}
