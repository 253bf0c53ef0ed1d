"""Records of `__cluster_metadata`: definitions by subject, and their registry.

Kafka's counterpart is `org.apache.kafka.common.metadata`. Missing keys (6, 13, 16) belonged to records that no release
wrote.
"""

from __future__ import annotations

from typing import Final

from protocol.lazy import LazyClasses

RECORDS: Final = LazyClasses(
    {
        0: "protocol.metadata.brokers:RegisterBrokerRecord",
        1: "protocol.metadata.brokers:UnregisterBrokerRecord",
        2: "protocol.metadata.topics:TopicRecord",
        3: "protocol.metadata.topics:PartitionRecord",
        4: "protocol.metadata.configs:ConfigRecord",
        5: "protocol.metadata.topics:PartitionChangeRecord",
        7: "protocol.metadata.brokers:FenceBrokerRecord",
        8: "protocol.metadata.brokers:UnfenceBrokerRecord",
        9: "protocol.metadata.topics:RemoveTopicRecord",
        10: "protocol.metadata.security:DelegationTokenRecord",
        11: "protocol.metadata.security:UserScramCredentialRecord",
        12: "protocol.metadata.configs:FeatureLevelRecord",
        14: "protocol.metadata.configs:ClientQuotaRecord",
        15: "protocol.metadata.producer_ids:ProducerIdsRecord",
        17: "protocol.metadata.brokers:BrokerRegistrationChangeRecord",
        18: "protocol.metadata.security:AccessControlEntryRecord",
        19: "protocol.metadata.security:RemoveAccessControlEntryRecord",
        20: "protocol.metadata.log:NoOpRecord",
        21: "protocol.metadata.log:ZkMigrationStateRecord",
        22: "protocol.metadata.security:RemoveUserScramCredentialRecord",
        23: "protocol.metadata.log:BeginTransactionRecord",
        24: "protocol.metadata.log:EndTransactionRecord",
        25: "protocol.metadata.log:AbortTransactionRecord",
        26: "protocol.metadata.security:RemoveDelegationTokenRecord",
        27: "protocol.metadata.brokers:RegisterControllerRecord",
        28: "protocol.metadata.topics:ClearElrRecord",
    }
)
