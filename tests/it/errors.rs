//! Every failure of section G of the API facts, over HTTP, against expectations written from that text by hand: this
//! is the second reading of it, so nothing here looks at the program's own table.

mod answered;
mod attempts;
mod expected;
mod scrubbed;
mod unanswered;
mod unnamed;
