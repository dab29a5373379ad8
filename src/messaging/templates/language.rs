//! The language of templates: as much of Jinja as a message needs, and nothing that a tenant could do harm with.
//!
//! What is written is read as a tree first, and everything that is not listed here is refused with its line. So a template cannot
//! make much out of little (no assignments, no joining or repeating of texts), cannot switch escaping off and calls nothing.
//! What it may do in a loop is bounded by fuel when it runs.

use std::collections::BTreeSet;

use crate::words::say;
use minijinja::machinery::{
    WhitespaceConfig,
    ast::{BinOpKind, Call, CallArg, Expr, Filter, ForLoop, IfCond, Stmt, UnaryOpKind},
    parse,
};

/// Filters that take a value and make no more of it than there was.
pub const FILTERS: [&str; 13] = [
    "abs",
    "capitalize",
    "d",
    "default",
    "first",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "round",
    "title",
    "trim",
];
const UPPER: &str = "upper";
pub const TESTS: [&str; 6] = ["defined", "undefined", "none", "number", "string", "sequence"];
pub const RANGE: &str = "range";
const LOOP: &str = "loop";

/// What is wrong with a template's source, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    pub line: usize,
    pub code: &'static str,
    pub detail: String,
}

/// What a source asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// Every variable that it names.
    pub names: BTreeSet<String>,
    /// Those, with what is asked of them, that it cannot do without: `customer.plan`. What a condition or a default looks after is
    /// not among them.
    pub needed: BTreeSet<Vec<String>>,
    /// Whether there is anything to run, or only plain words.
    pub is_plain: bool,
}

/// How lines with nothing but a tag are treated: they leave no empty line.
pub fn whitespace() -> WhitespaceConfig {
    WhitespaceConfig { keep_trailing_newline: false, lstrip_blocks: true, trim_blocks: true }
}

/// Reads a source and says what it asks for, or what is wrong with it.
pub fn read(source: &str) -> Result<Asks, Odd> {
    if !source.contains('{') || !["{{", "{%", "{#"].iter().any(|tag| source.contains(tag)) {
        return Ok(Asks { is_plain: true, ..Asks::default() });
    }
    let tree = parse(source, "text", minijinja::syntax::SyntaxConfig, whitespace()).map_err(|error| {
        let detail = error.detail().unwrap_or("this cannot be read").to_owned();
        Odd { line: error.line().unwrap_or(1), code: "template_syntax", detail }
    })?;
    let mut reader = Reader::default();
    reader.statement(&tree)?;
    Ok(reader.asks)
}

#[derive(Default)]
struct Reader {
    asks: Asks,
    /// Names that a loop gives.
    locals: Vec<String>,
    /// What a condition around has looked at.
    guarded: Vec<Vec<String>>,
    /// Inside a condition or a default: what is not there counts as nothing.
    is_lenient: bool,
}

fn refused<T>(line: u16, detail: impl Into<String>) -> Result<T, Odd> {
    Err(Odd { line: usize::from(line), code: "template_not_allowed", detail: detail.into() })
}

impl Reader {
    fn all(&mut self, statements: &[Stmt<'_>]) -> Result<(), Odd> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Result<(), Odd> {
        let (line, word) = match statement {
            Stmt::Template(template) => return self.all(&template.children),
            Stmt::EmitRaw(_) => return Ok(()),
            Stmt::EmitExpr(emit) => return self.expression(&emit.expr),
            Stmt::ForLoop(all) => return self.repeated(all, all.span().start_line),
            Stmt::IfCond(condition) => return self.condition(condition),
            Stmt::WithBlock(odd) => (odd.span().start_line, "with"),
            Stmt::Set(odd) => (odd.span().start_line, "set"),
            Stmt::SetBlock(odd) => (odd.span().start_line, "set"),
            Stmt::AutoEscape(odd) => (odd.span().start_line, "autoescape"),
            Stmt::FilterBlock(odd) => (odd.span().start_line, "filter"),
            Stmt::Do(odd) => (odd.span().start_line, "do"),
        };
        refused(line, format!("There is no {{% {word} %}} in messages: only if and for."))
    }

    fn condition(&mut self, condition: &IfCond<'_>) -> Result<(), Odd> {
        let looked_at = self.looked_at(&condition.expr)?;
        let before = self.guarded.len();
        self.guarded.extend(looked_at);
        self.all(&condition.true_body)?;
        self.guarded.truncate(before);
        self.all(&condition.false_body)
    }

    /// Reads a condition; the paths that it looks at.
    fn looked_at(&mut self, expr: &Expr<'_>) -> Result<Vec<Vec<String>>, Odd> {
        self.leniently(expr)?;
        let mut paths = Vec::new();
        collect_paths(expr, &mut paths);
        Ok(paths)
    }

    fn leniently(&mut self, expr: &Expr<'_>) -> Result<(), Odd> {
        let was = std::mem::replace(&mut self.is_lenient, true);
        let read = self.expression(expr);
        self.is_lenient = was;
        read
    }

    fn repeated(&mut self, all: &ForLoop<'_>, line: u16) -> Result<(), Odd> {
        if all.recursive {
            return refused(line, "A loop does not call itself here.");
        }
        match &all.iter {
            Expr::Call(call) => self.range(call, line)?,
            other if path_of(other).is_some() => self.expression(other)?,
            _ => return refused(line, "A loop goes over a variable, or over range(..)."),
        }
        let mut names = Vec::new();
        match &all.target {
            Expr::Var(var) => names.push(var.id.to_owned()),
            Expr::List(list) => {
                for item in &list.items {
                    let Expr::Var(var) = item else { return refused(line, "A loop names its items.") };
                    names.push(var.id.to_owned());
                }
            }
            _ => return refused(line, "A loop names its items."),
        }
        if names.iter().any(|name| name == LOOP) {
            return refused(line, "An item cannot be called loop.");
        }
        let before = self.locals.len();
        self.locals.extend(names);
        self.locals.push(LOOP.to_owned());
        if let Some(filter) = &all.filter_expr {
            self.leniently(filter)?;
        }
        self.all(&all.body)?;
        self.locals.truncate(before);
        self.all(&all.else_body)
    }

    fn range(&mut self, call: &Call<'_>, line: u16) -> Result<(), Odd> {
        let is_range = matches!(&call.expr, Expr::Var(var) if var.id == RANGE);
        if !is_range || call.args.is_empty() || call.args.len() > 2 {
            return refused(line, "A loop goes over a variable, or over range(..).");
        }
        self.arguments(&call.args, line, true)
    }

    fn arguments(&mut self, args: &[CallArg<'_>], line: u16, may_be_variables: bool) -> Result<(), Odd> {
        for arg in args {
            let (CallArg::Pos(expr) | CallArg::Kwarg(_, expr)) = arg else {
                return refused(line, "Values are given one by one here.");
            };
            let is_constant = is_number(expr) || matches!(expr, Expr::Const(_));
            if !is_constant && !may_be_variables {
                return refused(line, "A value that is written out is needed here.");
            }
            self.expression(expr)?;
        }
        Ok(())
    }

    fn expression(&mut self, expr: &Expr<'_>) -> Result<(), Odd> {
        let line = expr.span().start_line;
        match expr {
            Expr::Const(_) => Ok(()),
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.path(expr, line),
            Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => self.leniently(&op.expr),
            Expr::UnaryOp(op) => self.expression(&op.expr),
            Expr::BinOp(op) => self.operation(op.op, &op.left, &op.right, line),
            Expr::Compare(all) => {
                self.expression(&all.expr)?;
                all.ops.iter().try_for_each(|op| self.operand(&op.expr))
            }
            Expr::IfExpr(either) => {
                let looked_at = self.looked_at(&either.test_expr)?;
                let before = self.guarded.len();
                self.guarded.extend(looked_at);
                self.expression(&either.true_expr)?;
                self.guarded.truncate(before);
                match &either.false_expr {
                    Some(other) => self.expression(other),
                    None => refused(line, "Say what comes else, too: a if b else c."),
                }
            }
            Expr::Slice(slice) => {
                let bounds = [&slice.start, &slice.stop, &slice.step];
                if bounds.into_iter().flatten().any(|bound| !is_number(bound)) {
                    return refused(line, "The ends of a part are numbers.");
                }
                self.expression(&slice.expr)
            }
            Expr::Filter(filter) => self.filter(filter, line),
            Expr::Test(test) if !TESTS.contains(&test.name) => {
                refused(line, say!("There is no test {}: use one of {}.", test.name, TESTS.join(", ")))
            }
            Expr::Test(test) => {
                self.arguments(&test.args, line, false)?;
                self.leniently(&test.expr)
            }
            Expr::Call(_) => refused(line, "Nothing can be called in a message."),
            Expr::List(_) => refused(line, "A list may only stand after in."),
            Expr::Map(_) => refused(line, "There are no objects in a message."),
        }
    }

    /// The right side of a comparison: may be a list that is written out.
    fn operand(&mut self, expr: &Expr<'_>) -> Result<(), Odd> {
        match expr {
            Expr::List(list) if list.items.iter().all(|item| matches!(item, Expr::Const(_))) => Ok(()),
            other => self.expression(other),
        }
    }

    fn operation(&mut self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>, line: u16) -> Result<(), Odd> {
        match op {
            BinOpKind::ScAnd | BinOpKind::ScOr => {
                self.leniently(left)?;
                self.expression(right)
            }
            BinOpKind::Concat => refused(line, "Texts are joined by writing them side by side, not by ~."),
            // A text times a number is a long text: only numbers that are written out are multiplied.
            BinOpKind::Mul | BinOpKind::Pow if !(is_number(left) && is_number(right)) => {
                refused(line, "Only numbers that are written out can be multiplied.")
            }
            // A text plus a text is a longer one; with a number on one side it is an error when it runs.
            BinOpKind::Add if !is_number(left) && !is_number(right) => {
                refused(line, "One side of + is a number. Texts are joined by writing them side by side.")
            }
            _ => {
                self.expression(left)?;
                self.operand(right)
            }
        }
    }

    fn filter(&mut self, filter: &Filter<'_>, line: u16) -> Result<(), Odd> {
        if !FILTERS.contains(&filter.name) && filter.name != UPPER {
            let known = FILTERS.join(", ");
            return refused(line, say!("There is no filter {}: use one of {}, upper.", filter.name, known));
        }
        let Some(expr) = &filter.expr else { return refused(line, "A filter needs a value before it.") };
        if matches!(filter.name, "default" | "d") {
            self.arguments(&filter.args, line, true)?;
            return self.leniently(expr);
        }
        self.arguments(&filter.args, line, false)?;
        self.expression(expr)
    }

    fn path(&mut self, expr: &Expr<'_>, line: u16) -> Result<(), Odd> {
        let Some(path) = path_of(expr) else {
            return refused(line, "What is asked of a variable is a name or a number.");
        };
        let Some(root) = path.first() else { return Ok(()) };
        if path.iter().any(|part| part.starts_with('_')) {
            return refused(line, "Names do not begin with an underscore.");
        }
        if self.locals.contains(root) {
            return Ok(());
        }
        if root == RANGE || root == LOOP {
            return refused(line, say!("{} stands in loops only.", root));
        }
        self.asks.names.insert(root.clone());
        if !self.is_lenient && !self.guarded.iter().any(|seen| path.starts_with(seen)) {
            self.asks.needed.insert(path);
        }
        Ok(())
    }
}

/// A number that is written out, or made of such.
fn is_number(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(value) => value.value.is_number(),
        Expr::UnaryOp(op) => matches!(op.op, UnaryOpKind::Neg) && is_number(&op.expr),
        Expr::BinOp(op) => {
            let is_sum = matches!(
                op.op,
                BinOpKind::Add
                    | BinOpKind::Sub
                    | BinOpKind::Mul
                    | BinOpKind::Pow
                    | BinOpKind::Div
                    | BinOpKind::FloorDiv
                    | BinOpKind::Rem
            );
            is_sum && is_number(&op.left) && is_number(&op.right)
        }
        _ => false,
    }
}

/// `a.b["c"]` as its parts; a number in brackets ends what can be known of it.
fn path_of(expr: &Expr<'_>) -> Option<Vec<String>> {
    match expr {
        Expr::Var(var) => Some(vec![var.id.to_owned()]),
        Expr::GetAttr(get) => {
            let mut path = path_of(&get.expr)?;
            path.push(get.name.to_owned());
            Some(path)
        }
        Expr::GetItem(get) => {
            let mut path = path_of(&get.expr)?;
            let Expr::Const(key) = &get.subscript_expr else { return None };
            path.push(key.value.as_str().map_or_else(|| key.value.to_string(), str::to_owned));
            Some(path)
        }
        _ => None,
    }
}

fn collect_paths(expr: &Expr<'_>, paths: &mut Vec<Vec<String>>) {
    if let Some(path) = path_of(expr) {
        paths.push(path);
        return;
    }
    match expr {
        Expr::Test(test) if test.name == "defined" => collect_paths(&test.expr, paths),
        Expr::BinOp(op) if !matches!(op.op, BinOpKind::ScOr) => {
            collect_paths(&op.left, paths);
            collect_paths(&op.right, paths);
        }
        Expr::Compare(all) => {
            collect_paths(&all.expr, paths);
            all.ops.iter().for_each(|op| collect_paths(&op.expr, paths));
        }
        Expr::Filter(filter) => {
            if let Some(expr) = &filter.expr {
                collect_paths(expr, paths);
            }
        }
        _ => {}
    }
}
