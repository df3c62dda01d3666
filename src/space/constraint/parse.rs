//! Reads a constraint, by recursive descent from the lowest to the highest precedence.

use std::ops::Range;

use super::{ConstraintError, Function, Kind, Node, Operator, Outcome};

/// The deepest nesting.
const DEPTH: usize = 64;

/// Operators by precedence, the lowest first.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
    ],
];
const COMPARISONS: usize = 2;

const FUNCTIONS: &[(&str, Function)] = &[
    ("abs", Function::Abs),
    ("log10", Function::Log10),
    ("min", Function::Min),
    ("max", Function::Max),
];

/// The expression that a text is.
pub(super) fn expression(text: &str) -> Result<Node, ConstraintError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let root = parser.level(0)?;
    match parser.peek() {
        None => Ok(root),
        Some(token) => Err(match token.kind {
            Lexeme::Symbol if parser.slice(token) != ")" => parser.unexpected(token),
            Lexeme::Symbol | Lexeme::Number(_) | Lexeme::Text(_) | Lexeme::Quoted(_) | Lexeme::Word => error(
                "the constraint continues after its end",
                "join two conditions by `and`, or remove it",
                token.span.clone(),
            ),
        }),
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    kind: Lexeme,
    span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Lexeme {
    Number(f64),
    Text(String),
    /// A parameter in backquotes.
    Quoted(String),
    Word,
    Symbol,
}

fn error(message: impl Into<String>, help: impl Into<String>, span: Range<usize>) -> ConstraintError {
    ConstraintError {
        message: message.into(),
        help: help.into(),
        span,
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, ConstraintError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut until = |wanted: &dyn Fn(char, char) -> bool| {
            let mut last = first;
            let mut end = start + first.len_utf8();
            while let Some(&(at, next)) = rest.peek()
                && wanted(last, next)
            {
                (last, end) = (next, at + next.len_utf8());
                rest.next();
            }
            start..end
        };
        let token = match first {
            _ if first.is_whitespace() => continue,
            '\'' | '"' | '`' => {
                let span = until(&|_, next| next != first);
                let Some((close, _)) = rest.next() else {
                    return Err(error("the quote is not closed", format!("add a {first}"), span));
                };
                let inner = text[start + 1..close].to_owned();
                let kind = if first == '`' {
                    Lexeme::Quoted(inner)
                } else {
                    Lexeme::Text(inner)
                };
                Token {
                    kind,
                    span: start..close + 1,
                }
            }
            _ if first.is_ascii_digit() || first == '.' => {
                let span = until(&|last, next| {
                    next.is_alphanumeric() || next == '.' || ("+-".contains(next) && "eE".contains(last))
                });
                let number = text[span.clone()]
                    .parse()
                    .ok()
                    .filter(|number: &f64| number.is_finite());
                let Some(number) = number else {
                    let message = format!("`{}` is not a finite number", &text[span.clone()]);
                    return Err(error(message, "write a number such as 0.1 or 1e-5", span));
                };
                Token {
                    kind: Lexeme::Number(number),
                    span,
                }
            }
            _ if first.is_alphabetic() || first == '_' => Token {
                kind: Lexeme::Word,
                span: until(&|_, next| next.is_alphanumeric() || "_.".contains(next)),
            },
            _ => Token {
                kind: Lexeme::Symbol,
                span: until(&|last, next| match last {
                    '<' | '>' | '=' | '!' => next == '=',
                    '&' | '|' => next == last,
                    _ => false,
                }),
            },
        };
        tokens.push(token);
    }
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn slice(&self, token: &Token) -> &str {
        &self.text[token.span.clone()]
    }

    /// Takes the next token if it is this word or symbol.
    fn take(&mut self, wanted: &str) -> Option<Range<usize>> {
        let token = self.peek()?;
        let plain = matches!(token.kind, Lexeme::Word | Lexeme::Symbol);
        let span = (plain && self.slice(token) == wanted).then(|| token.span.clone())?;
        self.next += 1;
        Some(span)
    }

    fn early(&self) -> ConstraintError {
        let end = self.text.len();
        error(
            "the constraint ends too early",
            "write, for example, `dropout < 0.3`",
            end..end,
        )
    }

    fn unexpected(&self, token: &Token) -> ConstraintError {
        let found = self.slice(token);
        let instead = match found {
            "=" => Some("=="),
            "&&" | "&" => Some("and"),
            "||" | "|" => Some("or"),
            "!" => Some("not"),
            _ => None,
        };
        match instead {
            Some(instead) => error(
                format!("`{found}` is not an operator"),
                format!("write `{instead}`"),
                token.span.clone(),
            ),
            None => error(
                format!("unexpected `{found}`"),
                "write, for example, `dropout < 0.3`",
                token.span.clone(),
            ),
        }
    }

    /// What follows is one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ConstraintError>) -> Result<T, ConstraintError> {
        self.depth += 1;
        if self.depth > DEPTH {
            let place = self
                .peek()
                .map_or(self.text.len()..self.text.len(), |token| token.span.clone());
            return Err(error(
                "the constraint is nested too deeply",
                "write several simpler constraints",
                place,
            ));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Operators of a level, from left to right.
    fn level(&mut self, level: usize) -> Result<Node, ConstraintError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.operand(level)?;
        let mut before = false;
        loop {
            let found = operators
                .iter()
                .find_map(|(name, operator)| Some((*operator, self.take(name)?)));
            let Some((operator, span)) = found else { return Ok(left) };
            if before && level == COMPARISONS {
                let help = "write `a < b and b < c`";
                return Err(error("comparisons cannot be chained", help, span));
            }
            before = true;
            let right = self.operand(level)?;
            left = Node {
                span: left.span.start..right.span.end,
                kind: Kind::Binary(operator, Box::new(left), Box::new(right)),
            };
        }
    }

    /// An operand of an operator of a level. `not` has a lower precedence than comparisons.
    fn operand(&mut self, level: usize) -> Result<Node, ConstraintError> {
        if level + 1 == COMPARISONS
            && let Some(span) = self.take("not")
        {
            let inner = self.deeper(|parser| parser.operand(COMPARISONS - 1))?;
            return Ok(Node {
                span: span.start..inner.span.end,
                kind: Kind::Not(Box::new(inner)),
            });
        }
        self.level(level + 1)
    }

    fn unary(&mut self) -> Result<Node, ConstraintError> {
        if let Some(span) = self.take("-") {
            let inner = self.deeper(Self::unary)?;
            return Ok(Node {
                span: span.start..inner.span.end,
                kind: Kind::Minus(Box::new(inner)),
            });
        }
        if let Some(open) = self.take("(") {
            let inner = self.deeper(|parser| parser.level(0))?;
            let close = self.close()?;
            return Ok(Node {
                kind: inner.kind,
                span: open.start..close.end,
            });
        }
        let Some(token) = self.peek().cloned() else {
            return Err(self.early());
        };
        let span = token.span.clone();
        let word = self.slice(&token).to_owned();
        let kind = match token.kind {
            Lexeme::Symbol => return Err(self.unexpected(&token)),
            Lexeme::Number(number) => Kind::Constant(Outcome::Number(number)),
            Lexeme::Text(text) => Kind::Constant(Outcome::Text(text)),
            Lexeme::Quoted(name) => Kind::Parameter(name),
            Lexeme::Word => match word.as_str() {
                "true" | "false" => Kind::Constant(Outcome::Truth(word == "true")),
                "and" | "or" | "not" => {
                    let help = "put a part with `not` into parentheses";
                    return Err(error(format!("`{word}` cannot stand here"), help, span));
                }
                _ => {
                    self.next += 1;
                    return match self.take("(") {
                        Some(_) => self.call(&word, span),
                        None => Ok(Node {
                            kind: Kind::Parameter(word),
                            span,
                        }),
                    };
                }
            },
        };
        self.next += 1;
        Ok(Node { kind, span })
    }

    fn close(&mut self) -> Result<Range<usize>, ConstraintError> {
        match (self.take(")"), self.peek()) {
            (Some(span), _) => Ok(span),
            (None, None) => Err(self.early()),
            (None, Some(token)) => Err(error(
                "a parenthesis is not closed here",
                "add `)`, or an operator",
                token.span.clone(),
            )),
        }
    }

    fn call(&mut self, name: &str, span: Range<usize>) -> Result<Node, ConstraintError> {
        let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<String> = FUNCTIONS.iter().map(|(name, _)| format!("`{name}`")).collect();
            let help = format!("the functions are {}", known.join(", "));
            return Err(error(format!("there is no function `{name}`"), help, span));
        };
        let mut arguments = Vec::new();
        let close = loop {
            if arguments.is_empty()
                && let Some(close) = self.take(")")
            {
                break close;
            }
            arguments.push(self.deeper(|parser| parser.level(0))?);
            if self.take(",").is_none() {
                break self.close()?;
            }
        };
        let one = matches!(function, Function::Abs | Function::Log10);
        let whole = span.start..close.end;
        match arguments.len() {
            0 if !one => Err(error(
                format!("`{name}` takes at least one number"),
                "write it in the parentheses",
                whole,
            )),
            count if one && count != 1 => {
                let message = format!("`{name}` takes one number, not {count}");
                Err(error(message, "give it one number", whole))
            }
            _ => Ok(Node {
                kind: Kind::Call(*function, arguments),
                span: whole,
            }),
        }
    }
}
