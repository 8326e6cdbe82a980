//! `[[aws.account]]`: which account a user pool or portal belongs to, and the role to act with there.

use std::collections::HashMap;

use super::reader::Reader;
use crate::{
    domain::{AccountId, ExternalId, RoleArn, UserPoolId},
    upstream::AccountSection,
};

/// Reads every section. What two of them claim is a mistake: the order of sections decides nothing.
pub(super) fn accounts(reader: &mut Reader) -> Vec<AccountSection> {
    let mut taken = Taken::default();
    (0..reader.tables("aws.account")).filter_map(|at| section(reader, at, &mut taken)).collect()
}

/// What earlier sections have claimed, and where.
#[derive(Default)]
struct Taken {
    accounts: HashMap<AccountId, usize>,
    pools: HashMap<UserPoolId, usize>,
}

fn section(reader: &mut Reader, at: usize, taken: &mut Taken) -> Option<AccountSection> {
    let path = |key: &str| format!("aws.account[{at}].{key}");
    let account = reader.parsed(&path("account"), AccountId::parse);
    let role = reader.parsed(&path("role_arn"), RoleArn::parse);
    let external_id = reader.optional(&path("external_id"), ExternalId::parse);
    let user_pools = reader
        .list(&path("user_pools"), |text| UserPoolId::parse(text.to_owned()).map_err(|why| format!("{text:?} {why}")));
    if let Some(first) = account.as_ref().and_then(|account| taken.accounts.insert(account.clone(), at)) {
        reader.mistake(&path("account"), &format!("is the account of aws.account[{first}] too"));
    }
    for pool in &user_pools {
        if let Some(first) = taken.pools.insert(pool.clone(), at) {
            let why = format!("{} is named by aws.account[{first}] already", pool.as_str());
            reader.mistake(&path("user_pools"), &why);
        }
    }
    let (account, role) = (account?, role?);
    if *role.account() != account {
        reader.mistake(&path("role_arn"), &format!("belongs to account {}, not to {account}", role.account()));
    }
    if let Some(pool) = user_pools.iter().find(|pool| pool.region().partition() != role.partition()) {
        let why = format!("{} is in the partition {}", pool.as_str(), pool.region().partition());
        reader.mistake(&path("user_pools"), &format!("{why}, the role in {}", role.partition()));
    }
    Some(AccountSection { account, role, external_id, user_pools })
}
