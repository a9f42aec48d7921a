//! Who may do what on the demo's broker, decided by the certificate alone.
//!
//! Promises what the access lists of a ward's broker promise (DESIGN: `<gateway>` is bound to the common
//! name): the gateway's client id is the common name of its certificate, and another's is its common name,
//! alone or followed by `-` and more, but never the gateway's; the gateway publishes on its own topics what a gateway says and hears what is said to it; every other
//! member of the fleet hears everything and publishes receipts and bundles only. Everything else is
//! refused, and a forbidden publication ends the connection.

use async_trait::async_trait;
use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::types::{AuthResult, ConnectInfo, PublishAclResult, SubscribeAclResult};
use wardlink_wire::id::GatewayId;
use wardlink_wire::topic::{Subject, Topic};

/// The rules, for a fleet of one gateway.
pub(super) struct Access {
    gateway: GatewayId,
}

impl Access {
    pub(super) const fn new(gateway: GatewayId) -> Self {
        Self { gateway }
    }

    /// Whether the holder of a certificate may have a client id. One that somebody else has would end the
    /// other's connection (MQTT 3.1.1 section 3.1.4).
    fn may_be(&self, name: &str, client_id: &str) -> bool {
        let gateway = self.gateway.as_str();
        if name == gateway || client_id == gateway {
            return name == client_id;
        }
        let rest = client_id.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Whether the holder of a certificate may publish on a topic.
    fn may_publish(&self, name: &str, topic: &str) -> bool {
        let Ok(topic) = Topic::parse(topic) else {
            return false;
        };
        let from_gateway = match topic.subject {
            Subject::Lane(_) | Subject::Birth | Subject::State | Subject::ConfigState => true,
            Subject::Receipt | Subject::Config => false,
        };
        topic.gateway == self.gateway && from_gateway == (name == self.gateway.as_str())
    }

    /// Whether the holder of a certificate may hear what matches a filter.
    fn may_subscribe(&self, name: &str, filter: &str) -> bool {
        if name != self.gateway.as_str() {
            return true;
        }
        Topic::parse(filter).is_ok_and(|topic| topic.gateway == self.gateway)
    }
}

#[async_trait]
impl Handler for Access {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "the macro gives a named lifetime another place than the trait has"
    )]
    async fn hook(&self, parameter: &Parameter, before: Option<HookResult>) -> ReturnType {
        let decision = match parameter {
            Parameter::ClientAuthenticate(client) => {
                let allowed =
                    common_name(client).is_some_and(|name| self.may_be(name, client.client_id()));
                HookResult::AuthResult(if allowed {
                    AuthResult::Allow(false, None)
                } else {
                    AuthResult::NotAuthorized
                })
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let name = session.id.username_ref();
                HookResult::PublishAclResult(if self.may_publish(name, &publish.topic) {
                    PublishAclResult::allow()
                } else {
                    PublishAclResult::rejected(true, None)
                })
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let name = session.id.username_ref();
                HookResult::SubscribeAclResult(
                    if self.may_subscribe(name, &subscribe.topic_filter) {
                        SubscribeAclResult::new_success(subscribe.opts.qos(), None)
                    } else {
                        SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
                    },
                )
            }
            _ => return (true, before),
        };
        (false, Some(decision))
    }
}

/// The common name of the certificate, not of the user name that a client may claim.
fn common_name(client: &ConnectInfo) -> Option<&str> {
    let certificate = match client {
        ConnectInfo::V3(_, connect) => connect.cert.as_ref(),
        ConnectInfo::V5(_, connect) => connect.cert.as_ref(),
    };
    certificate?.common_name.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::new("gw-1".parse().unwrap())
    }

    #[test]
    fn a_gateway_speaks_only_for_itself() {
        let access = access();
        for topic in [
            "wave",
            "vital",
            "alarm",
            "event",
            "birth",
            "state",
            "config/state",
        ] {
            assert!(
                access.may_publish("gw-1", &format!("wardlink/1/gw-1/{topic}")),
                "{topic}"
            );
            assert!(
                !access.may_publish("gw-1", &format!("wardlink/1/gw-2/{topic}")),
                "{topic}"
            );
            assert!(
                !access.may_publish("monitor", &format!("wardlink/1/gw-1/{topic}")),
                "{topic}"
            );
        }
        assert!(!access.may_publish("gw-1", "wardlink/1/gw-1/receipt"));
        assert!(!access.may_publish("gw-1", "wardlink/1/gw-1/config"));
        assert!(!access.may_publish("gw-1", "something/else"));
    }

    #[test]
    fn only_the_operators_side_publishes_receipts_and_bundles() {
        let access = access();
        assert!(access.may_publish("monitor", "wardlink/1/gw-1/receipt"));
        assert!(access.may_publish("operator", "wardlink/1/gw-1/config"));
        assert!(!access.may_publish("monitor", "wardlink/1/gw-2/receipt"));
    }

    #[test]
    fn a_gateway_hears_nothing_of_others() {
        let access = access();
        assert!(access.may_subscribe("gw-1", "wardlink/1/gw-1/receipt"));
        for filter in [
            "#",
            "wardlink/1/+/receipt",
            "wardlink/1/gw-2/config",
            "wardlink/1/gw-1/#",
        ] {
            assert!(!access.may_subscribe("gw-1", filter), "{filter}");
        }
        assert!(access.may_subscribe("monitor", "wardlink/1/+/wave"));
    }

    #[test]
    fn a_client_id_belongs_to_its_certificate() {
        let access = access();
        assert!(access.may_be("gw-1", "gw-1"));
        for foreign in ["", "gw-10", "gw-2", "monitor", "gw-1-2"] {
            assert!(!access.may_be("gw-1", foreign), "{foreign}");
        }
        assert!(access.may_be("monitor", "monitor") && access.may_be("monitor", "monitor-7f3a"));
        for foreign in ["", "gw-1", "operator-1", "monitors"] {
            assert!(!access.may_be("monitor", foreign), "{foreign}");
        }
        // A certificate whose name begins like the gateway's is not the gateway's.
        assert!(!access.may_be("gw", "gw-1"));
    }
}
