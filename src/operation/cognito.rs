//! The six operations of Amazon Cognito user pools.

mod answer;
mod create;
mod delete;
mod describe;
mod existing;
mod get_by_identifier;
mod list;
mod update;

pub use self::{
    create::Create, delete::Delete, describe::Describe, get_by_identifier::GetByIdentifier, list::List, update::Update,
};
