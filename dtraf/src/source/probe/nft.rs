//! Whether nftables can be programmed.

use super::program::{Programs, output};
use super::{Nft, NftVersion};

pub(super) fn look(programs: &Programs) -> Option<Nft> {
    let program = programs.find("nft")?;
    Some(Nft {
        version: output(&program, &["--version"]).ok().and_then(|text| version(&text)),
        tables: output(&program, &["list", "tables"]).map(drop),
        flow_tables: output(&program, &["list", "flowtables"]).is_ok_and(|text| has_flow_table(&text)),
        program,
    })
}

fn has_flow_table(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("flowtable "))
}

/// Of `nftables v1.0.6 (Lester Gooch #5)`, or `v0.9`.
fn version(text: &str) -> Option<NftVersion> {
    let word = text.split_ascii_whitespace().find_map(|word| word.strip_prefix('v'))?;
    let mut numbers = word.split('.').map(str::parse);
    let major = numbers.next()?.ok()?;
    let mut next = || numbers.next().unwrap_or(Ok(0)).ok();
    Some(NftVersion(major, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_table_is_found_among_tables_that_have_none() {
        assert!(!has_flow_table(""));
        assert!(!has_flow_table("table ip nat {\n}\ntable ip flowtable {\n}\n"));
        let one = "table inet fast {\n\tflowtable ft {\n\t\thook ingress priority filter\n\t\tdevices = { eth0 }\n\t}\n}\n";
        assert!(has_flow_table(one));
    }

    #[test]
    fn the_version_is_found_in_what_the_program_says() {
        assert_eq!(version("nftables v1.0.6 (Lester Gooch #5)\n"), Some(NftVersion(1, 0, 6)));
        assert_eq!(version("nftables v0.9 (Fearless Fosdick)"), Some(NftVersion(0, 9, 0)));
        assert_eq!(version("nftables vNext"), None);
        assert_eq!(version(""), None);
    }
}
