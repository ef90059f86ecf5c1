//! The text as the YAML parser reads it, with an end to how far it reads before it tells of what it read.
//!
//! The parser takes in a whole flow collection (`[…`, `{…`) before it tells of its first item, so bounds on
//! its events come too late to bound the memory and time that it takes. It looks four characters ahead
//! before each token, and before each line of a scalar: those looks are counted, and after too many between
//! two events the text ends. A test holds that this is so, should the parser change.

use std::cell::Cell;
use std::rc::Rc;

use saphyr_parser::input::SkipTabs;
use saphyr_parser::{Input, StrInput};

/// How many tokens may still be read before the next event; shared by the input and its owner.
#[derive(Clone, Debug)]
pub(super) struct Budget(Rc<Cell<usize>>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(MAX_TOKENS)))
    }

    /// Something was told: begin anew.
    pub(super) fn renew(&self) {
        self.0.set(MAX_TOKENS);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    fn spend(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A text that ends when its budget is spent.
pub(super) struct BoundedInput<'a> {
    text: StrInput<'a>,
    budget: Budget,
}

impl<'a> BoundedInput<'a> {
    pub(super) fn new(text: &'a str, budget: Budget) -> Self {
        Self {
            text: StrInput::new(text),
            budget,
        }
    }
}

impl Input for BoundedInput<'_> {
    fn lookahead(&mut self, count: usize) {
        if count == BEFORE_A_TOKEN {
            self.budget.spend();
            if self.budget.is_spent() {
                self.text = StrInput::new("");
            }
        }
        self.text.lookahead(count);
    }

    fn buflen(&self) -> usize {
        self.text.buflen()
    }

    fn bufmaxlen(&self) -> usize {
        self.text.bufmaxlen()
    }

    fn raw_read_ch(&mut self) -> char {
        self.text.raw_read_ch()
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        self.text.raw_read_non_breakz_ch()
    }

    fn skip(&mut self) {
        self.text.skip();
    }

    fn skip_n(&mut self, count: usize) {
        self.text.skip_n(count);
    }

    fn peek(&self) -> char {
        self.text.peek()
    }

    fn peek_nth(&self, n: usize) -> char {
        self.text.peek_nth(n)
    }

    fn peek_opt(&self) -> Option<char> {
        self.text.peek_opt()
    }

    fn skip_ws_to_eol(&mut self, skip_tabs: SkipTabs) -> (usize, Result<SkipTabs, &'static str>) {
        self.text.skip_ws_to_eol(skip_tabs)
    }

    fn next_can_be_plain_scalar(&self, in_flow: bool) -> bool {
        self.text.next_can_be_plain_scalar(in_flow)
    }

    fn skip_while_non_breakz(&mut self) -> usize {
        self.text.skip_while_non_breakz()
    }

    fn skip_while_blank(&mut self) -> usize {
        self.text.skip_while_blank()
    }

    fn fetch_while_is_alpha(&mut self, out: &mut String) -> usize {
        self.text.fetch_while_is_alpha(out)
    }

    fn fetch_while_is_yaml_non_space(&mut self, out: &mut String) -> usize {
        self.text.fetch_while_is_yaml_non_space(out)
    }
}

/// The parser's look ahead before a token.
const BEFORE_A_TOKEN: usize = 4;
/// Six for each node that a text may have; a node of a flow map takes three, its share of commas included.
const MAX_TOKENS: usize = super::load::MAX_NODES * 6;
