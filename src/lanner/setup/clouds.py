"""What leads the audit log of a managed cluster to Lanner: commands with the user's names, and Lanner's configuration.

Every name is put into a shell variable, quoted, and used as a variable from there on. Sources: the command-line
references of gcloud, aws and az; OVHcloud API, /cloud/project/{serviceName}/kube/{kubeId}/log/subscription.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lanner.setup.model import Files, to_yaml

Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cloud:
    """A provider.

    Attributes:
        required: The names that the user has to give.
        defaults: Those that have a default.
        files: What is written.
    """

    required: tuple[str, ...]
    defaults: Names
    files: Callable[[Names], Files]


def cloud_files(provider: str, names: Names) -> Files:
    """The files for a provider; names that are not given have their default.

    Raises:
        KeyError: A required name is missing; its argument is the name.
    """
    cloud = CLOUDS[provider]
    for name in cloud.required:
        if not names.get(name):
            raise KeyError(name)
    return cloud.files({**cloud.defaults, **{name: value for name, value in names.items() if value}})


def _script(names: Names, what: str, body: str) -> str:
    variables = "".join(f"{name}={shlex.quote(value)}\n" for name, value in names.items())
    return f"#!/bin/sh\n# {what}\nset -eu\n{variables}\n{body}"


def _config(plugin: str, init: Mapping[str, Any], opened: str) -> str:
    return to_yaml(
        {
            "plugins": [{"name": plugin, "init_config": dict(init), "open_params": opened}],
            "load_plugins": [plugin, "json"],
            "json_output": True,
        },
        head="lanner run -c lanner.yaml",
    )


_GKE = """\
gcloud services enable --project="$project" \\
  pubsub.googleapis.com logging.googleapis.com container.googleapis.com

# Reads are in the Data Access log: enable ADMIN_READ, DATA_READ and DATA_WRITE for container.googleapis.com, under
# IAM & Admin, Audit Logs, or with `gcloud projects set-iam-policy`.

# What cannot be evaluated again and again is put aside, where it can be looked at.
gcloud pubsub topics create "$topic" --project="$project"
gcloud pubsub topics create "$dead_letters" --project="$project"
gcloud pubsub subscriptions create "$dead_letters" --project="$project" --topic="$dead_letters" \\
  --expiration-period=never
gcloud pubsub subscriptions create "$subscription" --project="$project" --topic="$topic" --ack-deadline=60 \\
  --expiration-period=never --message-retention-duration=7d --enable-exactly-once-delivery \\
  --dead-letter-topic="$dead_letters" --max-delivery-attempts=100
number=$(gcloud projects describe "$project" --format='value(projectNumber)')
agent="serviceAccount:service-$number@gcp-sa-pubsub.iam.gserviceaccount.com"
gcloud pubsub topics add-iam-policy-binding "$dead_letters" --project="$project" \\
  --member="$agent" --role=roles/pubsub.publisher
gcloud pubsub subscriptions add-iam-policy-binding "$subscription" --project="$project" \\
  --member="$agent" --role=roles/pubsub.subscriber

# What is excluded no rule can see: renewed leases alone, by the whole name of the method. A part of it, or a part of a
# resource's name, would also exclude what others do under names that they choose.
filter="logName:\\"cloudaudit.googleapis.com\\" AND protoPayload.serviceName=\\"k8s.io\\""
filter="$filter AND resource.labels.cluster_name=\\"$cluster\\""
gcloud logging sinks create "$sink" "pubsub.googleapis.com/projects/$project/topics/$topic" --project="$project" \\
  --log-filter="$filter" \\
  --exclusion='name=leases,filter=protoPayload.methodName="io.k8s.coordination.v1.leases.update"'
writer=$(gcloud logging sinks describe "$sink" --project="$project" --format='value(writerIdentity)')
gcloud pubsub topics add-iam-policy-binding "$topic" --project="$project" \\
  --member="$writer" --role=roles/pubsub.publisher

# Whom Lanner logs in as. Within GKE, let its Kubernetes service account act for this one (Workload Identity).
gcloud iam service-accounts create "$account" --project="$project"
member="serviceAccount:$account@$project.iam.gserviceaccount.com"
for role in roles/pubsub.subscriber roles/pubsub.viewer; do
  gcloud pubsub subscriptions add-iam-policy-binding "$subscription" --project="$project" \\
    --member="$member" --role="$role"
done
gcloud projects add-iam-policy-binding "$project" --member="$member" --role=roles/container.clusterViewer \\
  --condition=None
"""

_EKS = """\
logged=$(aws eks describe-cluster --region "$region" --name "$cluster" \\
  --query 'cluster.logging.clusterLogging[?enabled].types[]' --output text)
case " $(printf '%s' "$logged" | tr '\\t' ' ') " in
*" audit "*) echo "the audit log is enabled" ;;
*)
  aws eks update-cluster-config --region "$region" --name "$cluster" \\
    --logging '{"clusterLogging":[{"types":["audit"],"enabled":true}]}'
  ;;
esac

# Who reads the log: a role that pods of the service account lanner in the namespace lanner have. It needs the add-on
# eks-pod-identity-agent. A role of a machine, or a user, can have the policy instead.
policy_arn=$(aws iam create-policy --policy-name "$policy" --policy-document file://eks-policy.json \\
  --query Policy.Arn --output text)
role_arn=$(aws iam create-role --role-name "$role" --assume-role-policy-document file://eks-trust.json \\
  --query Role.Arn --output text)
aws iam attach-role-policy --role-name "$role" --policy-arn "$policy_arn"
aws eks create-pod-identity-association --region "$region" --cluster-name "$cluster" \\
  --namespace lanner --service-account lanner --role-arn "$role_arn"
"""

_AKS = """\
location=$(az aks show --resource-group "$group" --name "$cluster" --query location --output tsv)
cluster_id=$(az aks show --resource-group "$group" --name "$cluster" --query id --output tsv)

az eventhubs namespace create --resource-group "$group" --name "$hub_namespace" --location "$location" --sku Standard
az eventhubs eventhub create --resource-group "$group" --namespace-name "$hub_namespace" --name "$hub" \\
  --partition-count 4
az eventhubs eventhub consumer-group create --resource-group "$group" --namespace-name "$hub_namespace" \\
  --eventhub-name "$hub" --name "$consumer_group"
az eventhubs namespace authorization-rule create --resource-group "$group" --namespace-name "$hub_namespace" \\
  --name diagnostics --rights Send Listen Manage
az eventhubs namespace authorization-rule create --resource-group "$group" --namespace-name "$hub_namespace" \\
  --name lanner --rights Listen

rule=$(az eventhubs namespace authorization-rule show --resource-group "$group" --namespace-name "$hub_namespace" \\
  --name diagnostics --query id --output tsv)
az monitor diagnostic-settings create --name lanner --resource "$cluster_id" --event-hub "$hub" \\
  --event-hub-rule "$rule" --logs '[{"category":"kube-audit","enabled":true}]'

az storage account create --resource-group "$group" --name "$storage" --location "$location" --sku Standard_LRS

# Lanner takes two secrets from its environment. They go into a file that nobody else can read.
umask 077
hub_key=$(az eventhubs namespace authorization-rule keys list --resource-group "$group" \\
  --namespace-name "$hub_namespace" --name lanner --query primaryConnectionString --output tsv)
AZURE_STORAGE_CONNECTION_STRING=$(az storage account show-connection-string --resource-group "$group" \\
  --name "$storage" --query connectionString --output tsv)
export AZURE_STORAGE_CONNECTION_STRING
az storage container create --name "$container"
printf "AZURE_EVENTHUB='%s'\\nAZURE_STORAGE='%s'\\n" "$hub_key" "$AZURE_STORAGE_CONNECTION_STRING" > aks.env
"""

_OVH = """\
# A stream of the Logs Data Platform is needed first, with WebSocket broadcasting enabled, and a service account whose
# identifier and secret are in the environment: https://www.ovh.com/manager, Identity and Access Management.
: "${OVH_CLIENT_ID:?the identifier of a service account}" "${OVH_CLIENT_SECRET:?its secret}"
api=https://eu.api.ovh.com/v1
form='grant_type=client_credentials&scope=all&client_id=%s&client_secret=%s'
# shellcheck disable=SC2059 # it is a form for printf
token=$(printf "$form" "$OVH_CLIENT_ID" "$OVH_CLIENT_SECRET" |
  curl -fsS --data @- https://www.ovh.com/auth/oauth2/token | jq -r .access_token)
ask() {
  printf 'header = "Authorization: Bearer %s"\\n' "$token" |
    curl -fsS --config - --header 'Content-Type: application/json' "$@"
}

# A cluster's log that is led to the stream already stays as it is.
log="$api/cloud/project/$project/kube/$cluster/log/subscription"
found=$(ask "$log?kind=audit")
is_there=
for id in $(printf '%s' "$found" | jq -r '.[] | if type == "object" then .subscriptionId else . end'); do
  subscription=$(ask "$log/$id")
  [ "$(printf '%s' "$subscription" | jq -r .streamId)" != "$stream" ] || is_there=yes
done
[ -n "$is_there" ] || ask --data @ovh-subscription.json "$log"

# The address of the stream's tail holds a token, so it goes into a file that nobody else can read.
umask 077
address=$(ask "$api/dbaas/logs/$ldp/output/graylog/stream/$stream/url" |
  jq -r '[.[].address | select(startswith("wss://"))][0] // empty')
printf 'OVH_LDP_URL=%s\\n' "${address:?the stream has no WebSocket: enable it, and run this again}" > ovh.env
"""


def _gke(names: Names) -> Files:
    init = {"project_id": names["project"], "fetch_cluster_metadata": True}
    return {
        "gke.sh": _script(names, "Leads the audit log of a GKE cluster to a Pub/Sub subscription.", _GKE),
        "lanner.yaml": _config("k8saudit-gke", init, names["subscription"]),
    }


def _eks(names: Names) -> Files:
    group = f"arn:aws:logs:{names['region']}:*:log-group:/aws/eks/{names['cluster']}/cluster"
    actions = ["logs:DescribeLogStreams", "logs:FilterLogEvents"]
    return {
        "eks.sh": _script(names, "Enables the audit log of an EKS cluster, and allows reading it.", _EKS),
        "eks-policy.json": _iam_policy({"Action": actions, "Resource": [group, f"{group}:*"]}),
        "eks-trust.json": _iam_policy(
            {"Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"Service": "pods.eks.amazonaws.com"}}
        ),
        "lanner.yaml": _config("k8saudit-eks", {"region": names["region"]}, names["cluster"]),
    }


def _iam_policy(statement: Mapping[str, Any]) -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    return json.dumps(document, indent=2) + "\n"


def _aks(names: Names) -> Files:
    init = {
        "event_hub_name": names["hub"],
        "event_hub_namespace_connection_string": "${AZURE_EVENTHUB}",
        "consumer_group": names["consumer_group"],
        "blob_storage_container_name": names["container"],
        "blob_storage_connection_string": "${AZURE_STORAGE}",
        "rate_limit_events_per_second": 0,
    }
    return {
        "aks.sh": _script(names, "Leads the audit log of an AKS cluster to an Event Hub.", _AKS),
        "lanner.yaml": _config("k8saudit-aks", init, names["cluster"]),
    }


def _ovh(names: Names) -> Files:
    return {
        "ovh.sh": _script(
            names, "Forwards the audit log of an OVHcloud cluster to a stream, and asks where to read it.", _OVH
        ),
        "ovh-subscription.json": json.dumps({"kind": "audit", "streamId": names["stream"]}, indent=2) + "\n",
        "lanner.yaml": _config("k8saudit-ovh", {}, "${OVH_LDP_URL}"),
    }


CLOUDS: Mapping[str, Cloud] = {
    "gke": Cloud(
        ("project", "cluster"),
        {
            "topic": "lanner-audit",
            "subscription": "lanner-audit",
            "dead_letters": "lanner-audit-dead-letters",
            "sink": "lanner-audit",
            "account": "lanner",
        },
        _gke,
    ),
    "eks": Cloud(("region", "cluster"), {"policy": "lanner-eks-audit", "role": "lanner-eks-audit"}, _eks),
    "aks": Cloud(
        ("group", "cluster", "hub_namespace", "storage"),
        {"hub": "lanner-audit", "consumer_group": "lanner", "container": "lanner-checkpoints"},
        _aks,
    ),
    "ovh": Cloud(("project", "cluster", "stream", "ldp"), {}, _ovh),
}
"""The providers, by their names."""
