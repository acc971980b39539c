/** What docs/agent.md says that the agent needs of the API server, bound to a service account in a namespace of its own. */
export function permissions(account: { namespace: string; serviceAccount: string }): string {
  const { namespace, serviceAccount: name } = account;
  const group = "rbac.authorization.k8s.io";
  const objects = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } },
    {
      apiVersion: `${group}/v1`,
      kind: "ClusterRole",
      metadata: { name },
      rules: [
        { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
        { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
      ],
    },
    {
      apiVersion: `${group}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup: group, kind: "ClusterRole", name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
}
