// What a program does with @kubernetes/client-node, printed as one JSON object, question -> answer:
//
//     node client.js <path of the package's entry> <question>[:<namespace>] ...
//
// The kubeconfig is the one that KUBECONFIG names, as the library finds it by itself.

const [entry, ...asked] = process.argv.slice(2);
const k8s = await import(entry);

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const metrics = new k8s.Metrics(config);

const metricsPath = (namespace) => `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`;

const firstEvents = async (namespace, begin) => {
  const expected = (await metrics.getPodMetrics(namespace)).items.length;
  const events = [];
  await new Promise((resolve, reject) => {
    let request;
    const event = (type, each) => {
      events.push(`${type} ${each.metadata.name}`);
      if (events.length === expected) {
        request.then((controller) => controller.abort());
        resolve();
      }
    };
    request = Promise.resolve(
      begin(event, (error) => {
        if (events.length < expected) reject(error ?? new Error('the watch ended early'));
      }),
    );
    request.catch(reject);
  });
  return events;
};

const questions = {
  topNodes: async () =>
    (await k8s.topNodes(core)).map((each) => ({
      name: each.Node.metadata.name,
      cpuCapacity: Number(each.CPU.Capacity),
      cpuRequested: Number(each.CPU.RequestTotal),
      memoryCapacity: Number(each.Memory.Capacity),
    })),
  topPods: async (namespace) =>
    (await k8s.topPods(core, metrics, namespace)).map((each) => ({
      namespace: each.Pod.metadata.namespace,
      name: each.Pod.metadata.name,
      cpu: Number(each.CPU.CurrentUsage),
      memory: Number(each.Memory.CurrentUsage),
      containers: each.Containers.map((one) => one.Container),
    })),
  nodeMetrics: () => metrics.getNodeMetrics(),
  podMetrics: (namespace) => metrics.getPodMetrics(namespace),
  // The events that a watch of metrics begins with, as many as a list has.
  watchMetrics: (namespace) =>
    firstEvents(namespace, (event, done) => new k8s.Watch(config).watch(metricsPath(namespace), {}, event, done)),
  // The same from an informer, which lists and then watches from the list's version.
  informMetrics: (namespace) =>
    firstEvents(namespace, async (event, done) => {
      const api = config.makeApiClient(k8s.CustomObjectsApi);
      const list = () =>
        api.listNamespacedCustomObject({ group: 'metrics.k8s.io', version: 'v1beta1', namespace, plural: 'pods' });
      const informer = k8s.makeInformer(config, metricsPath(namespace), list);
      informer.on('add', (each) => event('ADDED', each));
      informer.on('error', done);
      await informer.start();
      return { abort: () => informer.stop() };
    }),
  list: async () => (await core.listNode()).items.map((each) => each.metadata.name),
  // The names of the pods that a watch begins with, as many as a list has.
  watch: async () => {
    const expected = (await core.listPodForAllNamespaces()).items.length;
    const names = [];
    await new Promise((resolve, reject) => {
      let request;
      const event = (type, pod) => {
        names.push(`${type} ${pod.metadata.namespace}/${pod.metadata.name}`);
        if (names.length === expected) {
          request.then((controller) => controller.abort());
          resolve();
        }
      };
      request = new k8s.Watch(config).watch("/api/v1/pods", {}, event, (error) => {
        if (names.length < expected) reject(error ?? new Error("the watch ended early"));
      });
      request.catch(reject);
    });
    return names;
  },
};

const answers = {};
for (const each of asked) {
  const [question, namespace] = each.split(":");
  answers[each] = await questions[question](namespace);
}
console.log(JSON.stringify(answers));
process.exit(0);
