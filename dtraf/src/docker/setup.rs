//! How an engine was set up, as far as that decides what can be counted.

use std::fmt;

use bollard::models::SystemInfo;

/// What `GET /info` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// `None`: an engine before API 1.49, which has iptables only; or Podman, which does not say.
    pub(crate) firewall: Option<Firewall>,
    /// `None`: it does not say.
    pub(crate) userland_proxy: Option<UserlandProxy>,
    pub(crate) rights: Rights,
}

/// With what an engine makes its firewall rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Firewall {
    Iptables,
    /// There is no `DOCKER-USER` in it.
    Nftables,
    Unknown(String),
}

/// The process that carries traffic between the host itself and published ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserlandProxy {
    On,
    Off,
}

/// Whose rights the engine has. A rootless one has a network namespace of its own, and its containers' bridges are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    Root,
    Rootless,
}

impl fmt::Display for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
            Self::Unknown(driver) => driver,
        })
    }
}

pub(super) fn setup(answer: SystemInfo) -> Setup {
    let firewall = answer.firewall_backend.unwrap_or_default();
    let options = answer.security_options.unwrap_or_default();
    let is_rootless = options.iter().any(|option| option.split(',').any(|part| part == "name=rootless"));
    Setup {
        userland_proxy: firewall.info.unwrap_or_default().iter().find_map(|pair| proxy(pair)),
        firewall: firewall.driver.map(driver),
        rights: if is_rootless { Rights::Rootless } else { Rights::Root },
    }
}

/// `iptables`, or `iptables+firewalld` where that is told of the rules.
fn driver(name: String) -> Firewall {
    match name.split('+').next() {
        Some("iptables") => Firewall::Iptables,
        Some("nftables") => Firewall::Nftables,
        _ => Firewall::Unknown(name),
    }
}

fn proxy(pair: &[String]) -> Option<UserlandProxy> {
    match pair {
        [label, value] if label == "EnableUserlandProxy" => match value.as_str() {
            "true" => Some(UserlandProxy::On),
            "false" => Some(UserlandProxy::Off),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Setup {
        setup(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_engine_that_says_nothing_of_its_firewall_is_taken_at_its_word() {
        let silent = Setup { firewall: None, userland_proxy: None, rights: Rights::Root };
        assert_eq!(
            of(r#"{"SecurityOptions":["name=seccomp,profile=default"],"FirewallBackend":null}"#),
            silent
        );
    }

    #[test]
    fn what_newer_engines_say_is_understood() {
        let said = of(
            r#"{"SecurityOptions":["name=seccomp,profile=builtin","name=rootless","name=cgroupns"],
                "FirewallBackend":{"Driver":"nftables+firewalld","Info":[["EnableUserlandProxy","true"],["x"]]}}"#,
        );
        assert_eq!(said.firewall, Some(Firewall::Nftables));
        assert_eq!(said.userland_proxy, Some(UserlandProxy::On));
        assert_eq!(said.rights, Rights::Rootless);
        let driver = |name| of(&format!(r#"{{"FirewallBackend":{{"Driver":"{name}"}}}}"#)).firewall;
        assert_eq!(driver("iptables"), Some(Firewall::Iptables));
        assert_eq!(driver("pf"), Some(Firewall::Unknown("pf".to_owned())));
    }
}
