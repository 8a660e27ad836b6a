/** What one file of `deploy/` says of another, and of Continuo, is so. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Json } from "../support/calls.ts";
import { KUSTOMIZATION, MANIFESTS, manifestOf, WORKLOADS } from "./manifests.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const readYaml = (name: string): Json => parse(readFileSync(new URL(name, DEPLOY), "utf8"), { merge: true });
/** What a pod reaches of the variables that the manifests set; their values come from Secrets. */
const ENVIRONMENT = { CONTINUO_ADMIN_KEY: "sk-admin", CONTINUO_DATABASE: "memory", VLLM_API_KEY: "sk-vllm" };
/** Time from the end of the drain until the process has ended. */
const END_MS = 5_000;

function configOf(name: string): Config {
  return loadConfig(
    { config: fileURLToPath(new URL(name, DEPLOY)) },
    {
      ...{ env: ENVIRONMENT, cwd: "/", home: "/", platform: "linux", isFile: () => true },
      readFile: (path) => readFileSync(path, "utf8"),
      pulledModels: () => new Map(),
      builtInFile: () => "/app/model/continuo-135m.gguf",
    },
  );
}

const podOf = (workload: Json): Json => workload.spec.template.spec;
const labelsOf = (workload: Json): Json => workload.spec.template.metadata.labels;
const containersOf = (workload: Json): readonly Json[] => podOf(workload).containers;

/** Workloads whose pods have all of these labels. */
function selected(labels: Readonly<Record<string, string>>): readonly Json[] {
  const wanted = Object.entries(labels);
  return WORKLOADS.filter((each) => wanted.every(([name, value]) => labelsOf(each)[name] === value));
}

const ofKind = (kind: string): readonly Json[] =>
  MANIFESTS.flatMap(({ manifest }) => (manifest.kind === kind ? [manifest] : []));
const portsOf = (workloads: readonly Json[]): number[] =>
  workloads.flatMap(containersOf).flatMap(({ ports }) => ports.map(({ containerPort }: Json) => containerPort));
const numbersOf = (rules: readonly Json[]): number[] =>
  rules.flatMap(({ ports }) => ports.map(({ port }: Json) => port));

describe("among the manifests", () => {
  test.each(WORKLOADS.map((each) => [each.metadata.name, each]))(
    "%s selects its own pods and mounts what it has",
    (_name, each) => {
      expect(selected(each.spec.selector.matchLabels)).toEqual([each]);
      const volumes = [
        ...(podOf(each).volumes ?? []),
        ...(each.spec.volumeClaimTemplates ?? []).map((claim: Json) => claim.metadata),
      ];
      for (const container of containersOf(each)) {
        const mounted = container.volumeMounts.map(({ name }: Json) => name);
        expect(mounted.sort()).toEqual(volumes.map(({ name }) => name).sort());
        const ports = container.ports.map(({ name }: Json) => name);
        for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
          if (container[probe]?.httpGet !== undefined) expect(ports).toContain(container[probe].httpGet.port);
        }
      }
    },
  );

  test.each(
    MANIFESTS.filter(({ manifest }) => manifest.kind === "Service").map(({ manifest }) => [
      manifest.metadata.name,
      manifest,
    ]),
  )("the Service %s reaches a port of its pods", (_name, service) => {
    const [workload, ...others] = selected(service.spec.selector);

    expect(others).toEqual([]);
    const ports: readonly Json[] = containersOf(workload).flatMap(({ ports }) => ports);
    for (const port of service.spec.ports) expect(ports.map(({ name }) => name)).toContain(port.targetPort);
    // Without an address of its own nothing translates its port.
    if (service.spec.clusterIP === "None") {
      for (const { port, targetPort } of service.spec.ports) {
        expect(ports.find(({ name }) => name === targetPort)?.containerPort).toBe(port);
      }
    }
  });

  test("no pod gets variables from Services, as CONTINUO_PORT is a setting and would be an address", () => {
    for (const workload of WORKLOADS) expect(podOf(workload).enableServiceLinks).toBe(false);
  });

  test("every budget is of pods that are there", () => {
    for (const { spec } of ofKind("PodDisruptionBudget")) expect(selected(spec.selector.matchLabels)).toHaveLength(1);
  });

  test("every policy is of pods that are there, and opens ports that they have", () => {
    const policies = ofKind("NetworkPolicy");
    expect(policies).toHaveLength(WORKLOADS.length);
    for (const { spec } of policies) {
      const own = selected(spec.podSelector.matchLabels);
      expect(own).toHaveLength(1);
      expect(portsOf(own)).toEqual(expect.arrayContaining(numbersOf(spec.ingress)));
      const toPods = spec.egress.filter(({ to }: Json) => to !== undefined);
      for (const { to, ports } of toPods) {
        const peers = to.flatMap(({ podSelector }: Json) => selected(podSelector.matchLabels));
        expect(portsOf(peers)).toEqual(expect.arrayContaining(numbersOf([{ ports }])));
      }
    }
  });

  test("StatefulSets have the Service that names their pods", () => {
    for (const each of WORKLOADS.filter(({ kind }) => kind === "StatefulSet")) {
      const { spec } = manifestOf("Service", each.spec.serviceName);
      expect(spec.clusterIP).toBe("None");
      expect(selected(spec.selector)).toEqual([each]);
    }
  });

  test("the pages create every Secret that is referred to, with its keys", () => {
    const references = WORKLOADS.flatMap(containersOf)
      .flatMap(({ env = [] }) => env)
      .flatMap(({ valueFrom }: Json) => (valueFrom === undefined ? [] : [valueFrom.secretKeyRef]));
    expect(references.length).toBeGreaterThan(0);
    for (const page of ["cluster.md", "cluster.zh-CN.md"]) {
      const text = readFileSync(new URL(`../docs/${page}`, DEPLOY), "utf8").replaceAll("\\\n", "");
      for (const { name, key } of references) {
        expect(text).toMatch(new RegExp(`create secret generic ${name} [^\\n]*--from-literal=${key}=`));
      }
    }
  });
});

describe("Continuo in Kubernetes", () => {
  const config = configOf("kubernetes/continuo.yaml");
  const gateway = manifestOf("Deployment", "continuo");
  const [container] = containersOf(gateway);

  test("gets the configuration that is made into a ConfigMap", () => {
    const [{ name, files }] = KUSTOMIZATION.configMapGenerator;
    const volume = podOf(gateway).volumes.find(({ configMap }: Json) => configMap !== undefined);
    const mount = container.volumeMounts.find((each: Json) => each.name === volume.name);
    const path = container.env.find((each: Json) => each.name === "CONTINUO_CONFIG").value;

    expect(volume.configMap.name).toBe(name);
    expect(path).toBe(`${mount.mountPath}/${files[0]}`);
  });

  test("listens where its port is", () => {
    expect(config.host).toBe("0.0.0.0");
    expect(container.ports.map(({ containerPort }: Json) => containerPort)).toEqual([config.port]);
  });

  test("is set only by variables that it reads", () => {
    const settings = readFileSync(new URL("../src/config/settings.ts", DEPLOY), "utf8");
    const keys = readYaml("kubernetes/continuo.yaml").engines;
    const read = new Set([...settings.matchAll(/CONTINUO_[A-Z_]+/g)].map(([name]) => name));
    for (const { api_key_env } of Object.values<Json>(keys)) read.add(api_key_env);
    read.add("CONTINUO_CONFIG");

    for (const { name } of container.env) expect(read).toContain(name);
  });

  test("has a replica for every vLLM that the autoscaler may start, and no more", () => {
    const vllm = manifestOf("StatefulSet", "vllm");
    const autoscaler = manifestOf("HorizontalPodAutoscaler", "vllm");
    const [port] = containersOf(vllm)[0].ports;
    const pods = Array.from(
      { length: autoscaler.spec.maxReplicas },
      (_, index) => `vllm-${index}.${vllm.spec.serviceName}`,
    );

    expect(autoscaler.spec.scaleTargetRef).toMatchObject({ kind: vllm.kind, name: vllm.metadata.name });
    expect(config.engines.map(({ url }) => url)).toEqual(pods.map((pod) => `http://${pod}:${port.containerPort}`));
    const pools = config.models.filter((model) => model.kind === "pool");
    expect(pools.map(({ replicas }) => replicas.length)).toEqual([pods.length]);
  });

  test("has the time to drain before it is killed", () => {
    const [, seconds] = container.lifecycle.preStop.exec.command;
    const graceMs = 1_000 * podOf(gateway).terminationGracePeriodSeconds;

    expect(graceMs).toBeGreaterThanOrEqual(1_000 * Number(seconds) + config.limits.drainGraceMs + END_MS);
  });

  test("writes to volumes only", () => {
    expect(container.securityContext.readOnlyRootFilesystem).toBe(true);
    const writable = container.volumeMounts.filter(({ readOnly }: Json) => readOnly !== true);
    expect(writable.map(({ mountPath }: Json) => mountPath).sort()).toEqual(["/tmp", "/var/lib/continuo"]);
  });
});

describe("Compose", () => {
  const compose = readYaml("compose/compose.yaml");
  const config = configOf("compose/continuo.yaml");

  test("names services where the configuration looks for vLLM, in a profile that is off without a GPU", () => {
    for (const { url } of config.engines) {
      const { hostname, port } = new URL(url);
      expect(compose.services[hostname]?.profiles).toEqual(["gpu"]);
      expect(port).toBe("8000");
    }
    expect(config.defaultModel).toBe("continuo-135m");
  });

  test("lets Continuo drain, on the port that it listens on", () => {
    for (const name of ["continuo-0", "continuo-1"]) {
      const { stop_grace_period, ports, environment } = compose.services[name];
      expect(1_000 * Number.parseInt(stop_grace_period, 10)).toBeGreaterThanOrEqual(
        config.limits.drainGraceMs + END_MS,
      );
      expect(ports[0].split(":")[1]).toBe(String(config.port));
      expect(environment.CONTINUO_DATABASE).toContain(
        `@postgres:5432/${compose.services.postgres.environment.POSTGRES_DB}`,
      );
    }
  });

  test("needs no variable that its example does not name", () => {
    const source = readFileSync(new URL("compose/compose.yaml", DEPLOY), "utf8");
    const named = readFileSync(new URL("compose/env.example", DEPLOY), "utf8");

    for (const [, name] of source.matchAll(/\$\{(\w+)/g)) expect(named).toContain(`${name}=\n`);
  });
});
