/** The parts of the `xmlrpc` package below its front door; @types/xmlrpc describes only what its index exports. */

declare module 'xmlrpc/lib/serializer.js' {
  const serializer: {
    serializeMethodCall: (method: string, params: readonly unknown[]) => string
    serializeMethodResponse: (value: unknown) => string
    serializeFault: (fault: unknown) => string
  }
  export default serializer
}

declare module 'xmlrpc/lib/customtype.js' {
  /** A node of the package's XML builder. */
  interface XmlNode {
    ele: (name: string) => XmlNode
    txt: (text: string) => XmlNode
  }

  export default class CustomType {
    constructor(raw: string)
    raw: string
    tagName: string
    serialize(xml: XmlNode): XmlNode
  }
}

declare module 'xmlrpc/lib/deserializer.js' {
  interface SaxTag {
    readonly name: string
  }

  /** sax's parser proper, which the package wraps into a stream. */
  interface SaxParser {
    strict: boolean
    noscript: boolean
    trackPosition: boolean
    opt: { position?: boolean }
    onopentag: (node: SaxTag) => void
    onclosetag: (name: string) => void
    ontext: (text: string) => void
    oncdata: (text: string) => void
    onerror: (error: Error) => void
    onend: () => void
    write(text: string): void
    end(): void
  }

  export default class Deserializer {
    type: 'methodcall' | 'methodresponse' | null
    responseType: 'params' | 'fault' | null
    stack: unknown[]
    marks: number[]
    data: string[]
    methodname: string | null
    value: boolean
    parser: { readonly _parser: SaxParser }
    push(value: unknown): void
    onOpentag(node: SaxTag): void
    onClosetag(name: string): void
    onText(text: string): void
    onCDATA(text: string): void
    onDone(): void
    onError(error: Error | string): void
    endNil(data: string): void
    endBoolean(data: string): void
    endInt(data: string): void
    endDouble(data: string): void
    endString(data: string): void
    endStruct(data: string): void
    endBase64(data: string): void
    endDateTime(data: string): void
    endMethodName(data: string): void
  }
}
