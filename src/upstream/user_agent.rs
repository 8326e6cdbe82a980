//! The SDK's user agent, made once for each client.
//!
//! Its text says which SDK, API and machine this is, and how the client is set up: the same in every call. The SDK puts it
//! together anew for each attempt, which is several per cent of what a call of the SDK's costs.

use std::sync::OnceLock;

use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            DisableInterceptor, Intercept,
            context::{
                BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
                BeforeTransmitInterceptorContextRef,
            },
            disable_interceptor, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// The headers that the SDK makes.
const HEADERS: [&str; 2] = ["user-agent", "x-amz-user-agent"];

/// The interceptor of a client: takes the headers of its first attempt over, and puts them into all later ones.
#[derive(Debug, Default)]
pub(super) struct KeptUserAgent(OnceLock<[String; HEADERS.len()]>);

#[dyn_dispatch_hint]
impl Intercept for KeptUserAgent {
    fn name(&self) -> &'static str {
        "idp-proxy user agent"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_some() {
            bag.interceptor_state().store_put(disable_interceptor::<UserAgentInterceptor>("its text is known"));
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // In a call that began before the text was known the SDK makes its own, and this one adds nothing.
        if bag.load::<DisableInterceptor<UserAgentInterceptor>>().is_none() {
            return Ok(());
        }
        for (name, value) in HEADERS.into_iter().zip(self.0.get().into_iter().flatten()) {
            context.request_mut().headers_mut().insert(name, value.clone());
        }
        Ok(())
    }

    fn read_before_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_none() {
            let made = HEADERS.map(|name| context.request().headers().get(name).map(str::to_owned));
            if let [Some(user_agent), Some(aws_user_agent)] = made {
                self.0.get_or_init(|| [user_agent, aws_user_agent]);
            }
        }
        Ok(())
    }
}
