//! The user type of a login.

use std::str::FromStr;

use cryptoki::session::UserType as Cku;

/// The user to log in as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserType {
    /// CKU_USER.
    #[default]
    User,
    /// A vendor's own type of user, CKU_VENDOR_DEFINED and above.
    Vendor(u32),
    /// CKU_SO, who prepares a device and signs nothing. On a YubiKey this is the holder of the management
    /// key.
    SecurityOfficer,
}

impl UserType {
    /// Luna's Crypto User, who can sign but not generate (CKU_LIMITED_USER in Thales' headers).
    pub const LUNA_CRYPTO_USER: Self = UserType::Vendor(0x8000_0001);

    pub(super) fn cku(self) -> Cku {
        match self {
            UserType::User => Cku::User,
            UserType::Vendor(number) => Cku::VendorExtension(number),
            UserType::SecurityOfficer => Cku::So,
        }
    }
}

impl FromStr for UserType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number =
            |digits: &str| u32::from_str_radix(digits, 16).ok().filter(|number| *number >= 0x8000_0000);
        match text {
            "user" => Ok(UserType::User),
            "crypto-user" => Ok(UserType::LUNA_CRYPTO_USER),
            _ => text.strip_prefix("0x").and_then(number).map(UserType::Vendor).ok_or_else(|| {
                "possible values: user, crypto-user (Luna), or a vendor's number from 0x80000000 on".into()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_type_is_one_of_the_names_or_a_vendors_number() {
        assert_eq!("user".parse(), Ok(UserType::User));
        assert_eq!("crypto-user".parse(), Ok(UserType::Vendor(0x8000_0001)));
        assert_eq!("0x80000002".parse(), Ok(UserType::Vendor(0x8000_0002)));
        // CKU_SO does not sign, and a number below the vendors' range belongs to the standard.
        for wrong in ["so", "0x0", "1", "0x7fffffff", "0x180000000", "", "0x"] {
            assert!(wrong.parse::<UserType>().is_err(), "{wrong}");
        }
    }
}
