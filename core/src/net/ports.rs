//! Ports of other protocols, which a web page must not reach.

/// The "bad ports" of the Fetch standard (section "Port blocking").
const BAD: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Whether browsers refuse to connect to this port.
pub(crate) fn is_bad(port: u16) -> bool {
    BAD.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(BAD.is_sorted());
    }

    #[test]
    fn mail_is_bad_and_the_web_is_not() {
        let found: Vec<u16> = [25, 80, 443, 6664, 6665, 8080, 10080]
            .into_iter()
            .filter(|port| is_bad(*port))
            .collect();
        assert_eq!(found, [25, 6665, 10080]);
    }
}
