import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** A metric as the registry prints it, made when it is asked for: nothing of thousands of series is kept meanwhile. */
export interface Sampled {
  name: string;
  help: string;
  type: "gauge" | "counter";
  /** The series now. */
  values: () => Sample[];
}

/** One series. */
export interface Sample {
  labels: { [name: string]: string };
  value: number;
}

/** What the agent counts of itself, and the registry of all metrics. */
export class AgentMetrics {
  readonly registry = new Registry();
  readonly reconciliations = new Counter({
    name: "weir_reconciliations_total",
    help: "How often a pod was compared with what it should be.",
    registers: [this.registry],
  });
  readonly errors = new Counter({
    name: "weir_reconcile_errors_total",
    help: "Comparisons that failed, by the error's code.",
    labelNames: ["reason"] as const,
    registers: [this.registry],
  });
  readonly repairs = new Counter({
    name: "weir_repairs_total",
    help: "Repairs of damaged attachments, by what was damaged.",
    labelNames: ["problem"] as const,
    registers: [this.registry],
  });
  readonly lag = new Histogram({
    name: "weir_event_lag_seconds",
    help: "From the arrival of a changed pod to its limits being in force.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  });

  /** @param version of weir */
  constructor(version: string) {
    new Gauge({
      name: "weir_build_info",
      help: "The version of weir that runs; always 1.",
      labelNames: ["version"] as const,
      registers: [this.registry],
    }).set({ version }, 1);
    collectDefaultMetrics({ register: this.registry });
  }

  /** Adds a gauge without labels that is read when it is asked for. */
  addGauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** Adds a metric of many series. */
  addSampled({ name, help, type, values }: Sampled): void {
    // The registry takes whatever answers get() as its own metrics do.
    const metric = {
      name,
      help,
      type,
      get: async () => ({ name, help, type, values: values(), aggregator: "sum" }),
    };
    this.registry.registerMetric(metric as unknown as Gauge);
  }
}
