//! The five operations of Amazon `WorkSpaces` Web.

mod answer;
mod create;
mod delete;
mod existing;
mod get;
mod list;
mod token;
mod update;

pub use self::{create::Create, delete::Delete, get::Get, list::List, update::Update};
