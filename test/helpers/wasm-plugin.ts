/** A WasmPlugin as YAML, with the URL of the official plugin server. */
export const wasmPlugin = (
  name: string,
  version: string,
): string => `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ${name}
  namespace: higress-system
spec:
  url: http://higress-plugin-server.higress-system.svc/plugins/${name}/${version}/plugin.wasm
`;
