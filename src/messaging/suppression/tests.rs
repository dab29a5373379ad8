//! Links hold what they were made of, for whom they were made, and nothing else opens.

use proptest::prelude::*;
use uuid::Uuid;

use super::links::{Leaving, Links};
use crate::{
    messaging::Channel,
    secrets::SecretKey,
    types::{DeliveryId, TenantId},
};

fn links(key: u8) -> Links {
    Links::with_key(SecretKey::from_slice(&[key; 32]).unwrap())
}

fn any_leaving() -> impl Strategy<Value = Leaving> {
    let channel = proptest::sample::select(Channel::ALL.to_vec());
    (any::<Option<u64>>(), channel, "\\PC{1,200}").prop_map(|(id, channel, address)| Leaving {
        delivery: id.map(|id| DeliveryId(Uuid::from_u128(u128::from(id) + 1))),
        channel,
        address,
    })
}

proptest! {
    #[test]
    fn a_token_gives_back_what_it_holds(leaving in any_leaving(), tenant: u128) {
        let tenant = TenantId(Uuid::from_u128(tenant));
        let token = links(1).token(tenant, &leaving).unwrap();
        prop_assert!(!token.contains(&leaving.address) || leaving.address.len() < 4);
        prop_assert_eq!(links(1).read(tenant, &token), Some(leaving));
    }

    #[test]
    fn a_token_opens_nowhere_else(leaving in any_leaving(), tenant: u128, other: u128) {
        prop_assume!(tenant != other);
        let token = links(1).token(TenantId(Uuid::from_u128(tenant)), &leaving).unwrap();
        prop_assert_eq!(links(1).read(TenantId(Uuid::from_u128(other)), &token), None);
        prop_assert_eq!(links(2).read(TenantId(Uuid::from_u128(tenant)), &token), None);
    }

    #[test]
    fn a_changed_token_is_none(leaving in any_leaving(), at: prop::sample::Index, to in "[A-Za-z0-9_-]") {
        let tenant = TenantId(Uuid::from_u128(7));
        let token = links(1).token(tenant, &leaving).unwrap();
        let at = at.index(token.len());
        let (before, after) = token.split_at(at);
        let forged = format!("{before}{to}{}", after.split_at(1).1);
        prop_assume!(forged != token);
        prop_assert_eq!(links(1).read(tenant, &forged), None);
        prop_assert_eq!(links(1).read(tenant, before), None);
    }

    #[test]
    fn any_text_can_stand_in_a_link(text in "\\PC{0,300}") {
        prop_assert_eq!(links(1).read(TenantId(Uuid::nil()), &text), None);
    }
}
