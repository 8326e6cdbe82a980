//! The lists agree: what the proto declares, what the program knows, what the tests cover.

use std::collections::BTreeSet;

use idp_proxy::{domain::Action, proto::DESCRIPTOR_SET};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::rpcs;

/// `package.Service/Method` of every RPC that the served descriptors declare.
fn declared() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap();
    let mut methods = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                methods.insert(format!("{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    methods
}

#[test]
fn every_declared_rpc_is_an_action_and_has_a_row_in_the_tests_table() {
    let name = |action: Action| action.grpc_method().to_owned();
    let actions: BTreeSet<String> = Action::ALL.map(name).into();
    let rows: Vec<String> = rpcs::all().iter().map(|rpc| name(rpc.action)).collect();
    assert_eq!(declared(), actions, "Action::ALL is not what the proto declares");
    assert_eq!(declared(), rows.iter().cloned().collect(), "the tests' table is not what the proto declares");
    assert_eq!(rows.len(), actions.len(), "an RPC has two rows");
}
